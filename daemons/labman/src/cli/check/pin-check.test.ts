import { describe, expect, test } from 'bun:test';
import type { NodeState } from '../../conplane/node-file.ts';
import { pinCheck, type PinGround } from './pin-check.ts';

const [sha, other] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
const [key, otherKey] = [`${'A'.repeat(43)}=`, `${'B'.repeat(42)}A=`];
const state = (change: object = {}): NodeState => ({
  nodeId: 'n',
  address: '10.90.0.2',
  hub: {
    address: '10.90.0.1',
    wireguardPublicKey: key,
    wireguardEndpoint: 'hub:51820',
    rosenpassSha256: sha,
    rosenpassEndpoint: null,
    rosenpassVersion: null,
    rosenpassCiphertext: null,
    ...change,
  },
});
type Pinned = { publicKey?: string; peerSha256?: string; peerPublicKeyPath?: string };
const config = ({ publicKey, ...rosenpass }: Pinned): PinGround['config'] =>
  ({ peer: { publicKey }, rosenpass }) as unknown as PinGround['config'];
const ground = (change: Partial<PinGround>): PinGround => ({
  config: config({}),
  state: state(),
  trusted: undefined,
  registration: undefined,
  ...change,
});

describe('pins', () => {
  test('hold, by first use or by the settings', () => {
    expect(pinCheck(ground({}))).toMatchObject({ result: 'pass', detail: `${sha}, pinned at first use` });
    const pinned = ground({ config: config({ peerSha256: sha, publicKey: key }) });
    expect(pinCheck(pinned)).toMatchObject({ result: 'pass', detail: `${sha}, as the settings say` });
    expect(pinCheck(ground({ state: undefined }))).toMatchObject({ result: 'unknown' });
    const waiting = ground({ state: undefined, config: config({ peerSha256: sha }) });
    expect(pinCheck(waiting)).toMatchObject({ result: 'pass', detail: `only ${sha} will be taken` });
  });

  test('that the last run’s hub does not fit fail, with the word that lets it in', () => {
    const found = pinCheck(ground({ config: config({ peerSha256: other }) }));
    expect(found).toMatchObject({ result: 'fail', fix: expect.stringContaining(`labman tunnel trust ${sha}`) });
    expect(pinCheck(ground({ config: config({ publicKey: otherKey }) }))).toMatchObject({ result: 'fail' });
    // K8: the pinned hub has another key since.
    const rotated = { config: config({ peerSha256: other }), state: state({ rotatedFrom: other }) };
    expect(pinCheck(ground(rotated)).result).toBe('pass');
    expect(pinCheck(ground({ config: config({ peerSha256: other }), trusted: sha })).result).toBe('pass');
  });

  test('that the Conplane breaks now fail as labmand tells it', () => {
    const detail = `the hub shows Rosenpass key ${other}, pinned is ${sha}; compare, then run: labman tunnel trust ${other}`;
    const found = pinCheck(ground({ registration: { phase: 'pin_mismatch', detail, nodeId: 'n' } }));
    expect(found.detail).toBe(`the hub shows Rosenpass key ${other}, pinned is ${sha}`);
    expect(found.fix).toBe(`compare, then run: labman tunnel trust ${other}`);
  });

  test('a hub without a Rosenpass key is said to be none of the post-quantum kind', () => {
    expect(pinCheck(ground({ state: state({ rosenpassSha256: null }) }))).toMatchObject({ result: 'unknown' });
    const stripped = ground({ state: state({ rosenpassSha256: null }), config: config({ peerSha256: sha }) });
    expect(pinCheck(stripped)).toMatchObject({ result: 'fail' });
  });

  test('a key file that is not there fails', () => {
    const found = pinCheck(ground({ config: config({ peerPublicKeyPath: '/nowhere/hub.pk' }) }));
    expect(found).toMatchObject({ result: 'fail', detail: expect.stringContaining('ENOENT') });
  });
});
