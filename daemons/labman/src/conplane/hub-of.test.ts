import { describe, expect, test } from 'bun:test';
import { readConfigFile } from '@labmesh/kit/config-file';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeRegisterAnswer } from '@labmesh/wire/node';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import { readLabmanConfig } from '../labman-config.ts';
import { hubOf, PinMismatch } from './hub-of.ts';
import type { HubState } from './node-file.ts';

const [sha, otherSha] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
const [key, otherKey] = [`${'A'.repeat(43)}=`, `${'B'.repeat(42)}A=`];

async function configOf(wireguard: string): Promise<TunnelConfig> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-hub-'));
  try {
    const path = join(folder, 'labmesh.toml');
    writeFileSync(path, `[labman.proxy]\nlocal_addr = "127.0.0.1"\n${wireguard}`);
    const { tunnel } = readLabmanConfig(await readConfigFile(path), { warn: () => undefined });
    if (tunnel === undefined) throw new Error('no tunnel in this file');
    return tunnel;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const plain = await configOf('[labman.wireguard]\n');
const configOther = await configOf(`[labman.wireguard.rosenpass]\npeer_sha256 = "sha256:${'c'.repeat(64)}"\n`);
const said = {
  tunnel_address: '10.90.0.1',
  wireguard_public_key: key,
  wireguard_endpoint: 'hub.example:51820',
  rosenpass_sha256: sha,
  rosenpass_endpoint: 'hub.example:9999',
  rosenpass_version: 'V03',
  rosenpass_ciphertext: 'pc188',
};
const answer = (change: Partial<typeof said> = {}): NodeRegisterAnswer => ({
  success: true,
  conplane: { ...said, ...change },
});
const known: HubState = {
  address: '10.90.0.1',
  wireguardPublicKey: key,
  wireguardEndpoint: 'hub.example:51820',
  rosenpassSha256: sha,
  rosenpassEndpoint: 'hub.example:9999',
  rosenpassVersion: 'V03',
  rosenpassCiphertext: 'pc188',
};
const none = { config: plain, known: undefined, trusted: undefined, now: 1_000 };

describe('the hub as an answer names it', () => {
  test('is taken at first use, and pinned then', () => {
    expect(hubOf(answer(), none)).toEqual(known);
    expect(hubOf(answer(), { ...none, known })).toEqual(known);
    expect(hubOf({ success: true }, none)).toBeUndefined();
  });

  test('another key than the pinned one is refused, by name of what to do', () => {
    const pins = { ...none, known };
    expect(() => hubOf(answer({ rosenpass_sha256: otherSha }), pins)).toThrow(`labman tunnel trust ${otherSha}`);
    expect(() => hubOf(answer({ wireguard_public_key: otherKey }), pins)).toThrow(PinMismatch);
  });

  test('what the operator let in at this machine is taken', () => {
    const pins = { ...none, known, trusted: otherSha };
    expect(hubOf(answer({ rosenpass_sha256: otherSha }), pins)?.rosenpassSha256).toBe(otherSha);
    // One word lets one key in, not the other as well.
    const both = answer({ rosenpass_sha256: otherSha, wireguard_public_key: otherKey });
    expect(hubOf(both, pins)?.wireguardPublicKey).toBe(key);
  });

  describe('that changes its key (K8)', () => {
    const third = `sha256:${'c'.repeat(64)}`;
    const announcing: HubState = { ...known, next: { rosenpassSha256: otherSha, until: 2_000 } };
    const changed = answer({ rosenpass_sha256: otherSha });

    test('is taken by the present key and by the next for as long as both hold', () => {
      const pins = { ...none, known: announcing };
      expect(hubOf(answer(), pins)).toEqual(announcing);
      expect(hubOf(changed, pins)).toEqual({ ...known, rosenpassSha256: otherSha });
      expect(() => hubOf(changed, { ...pins, now: 2_000 })).toThrow(PinMismatch);
      expect(hubOf(answer(), { ...pins, now: 2_000 })).toEqual(known);
      expect(() => hubOf(answer({ rosenpass_sha256: third }), pins)).toThrow(PinMismatch);
      // The old one is no more.
      const after = { ...none, known: hubOf(changed, pins) };
      expect(() => hubOf(answer(), after)).toThrow(PinMismatch);
    });

    test('what the settings pin stands for the key that the pinned hub proved, until they pin another', async () => {
      const pinning = (one: string) => configOf(`[labman.wireguard.rosenpass]\npeer_sha256 = "${one}"\n`);
      const pins = { ...none, config: await pinning(sha), known: announcing };
      const after = hubOf(changed, pins);
      expect(after).toEqual({ ...known, rosenpassSha256: otherSha, rotatedFrom: sha });
      expect(hubOf(changed, { ...pins, known: after })).toEqual(after);
      expect(() => hubOf(answer(), { ...pins, known: after })).toThrow(PinMismatch);
      const again = { ...(after as HubState), next: { rosenpassSha256: third, until: 2_000 } };
      const last = hubOf(answer({ rosenpass_sha256: third }), { ...pins, known: again });
      expect(last).toMatchObject({ rosenpassSha256: third, rotatedFrom: sha });
      expect(() => hubOf(changed, { ...pins, known: after, config: configOther })).toThrow(PinMismatch);
      // A next key is worth what the one is that proved it.
      expect(() => hubOf(changed, { ...pins, known: announcing, config: configOther })).toThrow(PinMismatch);
    });

    test('goes on from a key that the operator let in', async () => {
      const pins = { ...none, config: configOther, known: announcing, trusted: sha };
      expect(hubOf(changed, pins)).toMatchObject({ rosenpassSha256: otherSha, rotatedFrom: third });
      const letIn = hubOf(answer({ rosenpass_sha256: third }), { ...none, known: announcing, trusted: third });
      expect(letIn).toEqual({ ...known, rosenpassSha256: third });
    });
  });

  test('a pinned hub that shows no Rosenpass key any more is no plain WireGuard hub', () => {
    expect(() => hubOf(answer({ rosenpass_sha256: '' }), { ...none, known })).toThrow('pinned is');
    expect(hubOf(answer({ rosenpass_sha256: '' }), none)?.rosenpassSha256).toBeNull();
  });

  test('the file wins over the answer', async () => {
    const text = `[labman.wireguard]\npeer_address = "10.90.7.7"\npeer_endpoint = "1.2.3.4:5"\npeer_public_key = "${key}"\n`;
    const config = await configOf(
      `${text}[labman.wireguard.rosenpass]\npeer_sha256 = "${otherSha}"\nendpoint = "1.2.3.4:6"\n`,
    );
    expect(() => hubOf(answer(), { ...none, config })).toThrow(PinMismatch);
    expect(hubOf(answer({ rosenpass_sha256: otherSha }), { ...none, config })).toMatchObject({
      address: '10.90.7.7',
      wireguardEndpoint: '1.2.3.4:5',
      rosenpassEndpoint: '1.2.3.4:6',
    });
  });

  test.each([
    ['no WireGuard key', { wireguard_public_key: 'AAAA' }],
    ['something that is no fingerprint', { rosenpass_sha256: '../../etc' }],
  ])('%s is refused', (_, change) => expect(() => hubOf(answer(change), none)).toThrow(PinMismatch));

  test('a dialect that nobody speaks is left to negotiation', () => {
    const odd = hubOf(answer({ rosenpass_version: 'V99', rosenpass_ciphertext: 'x' }), none);
    expect(odd).toMatchObject({ rosenpassVersion: null, rosenpassCiphertext: null });
  });
});

describe('another WireGuard key of the pinned hub (K8)', () => {
  const third = `${'C'.repeat(42)}A=`;
  const moved = answer({ wireguard_public_key: otherKey });
  const pins = { ...none, known };

  test('is taken on its proof; the next one that it has proven before stands beside the pinned one until it is used', () => {
    expect(() => hubOf(moved, pins)).toThrow(PinMismatch);
    expect(hubOf(moved, { ...pins, provenWireguard: otherKey })?.wireguardPublicKey).toBe(otherKey);
    expect(() => hubOf(moved, { ...pins, provenWireguard: third })).toThrow(PinMismatch);
    const next = { rosenpassSha256: otherSha, wireguardPublicKey: otherKey, until: 2_000 };
    const waiting = { ...pins, known: { ...known, next } };
    const both = { wireguardPublicKey: key, awaitedWireguard: otherKey };
    expect(hubOf(moved, waiting)).toMatchObject(both);
    expect(() => hubOf(moved, { ...pins, known: { ...known, next: { ...next, until: 1_000 } } })).toThrow(PinMismatch);
    // Also when the Rosenpass key, in whose company it was proven, has moved, and for as long as it takes.
    const promoted = answer({ rosenpass_sha256: otherSha, wireguard_public_key: otherKey });
    const later = hubOf(promoted, waiting);
    expect(later).toMatchObject({ ...both, rosenpassSha256: otherSha });
    // So does one that the hub's device has not taken yet.
    expect(hubOf(answer({ rosenpass_sha256: otherSha }), waiting)).toEqual(later);
    const again = { ...none, known: later, now: 9_000 };
    expect(hubOf(promoted, again)).toEqual(later);
    expect(() => hubOf(answer({ rosenpass_sha256: otherSha, wireguard_public_key: third }), again)).toThrow(
      PinMismatch,
    );
    const taken = hubOf(promoted, { ...again, provenWireguard: otherKey });
    expect(taken).toMatchObject({ wireguardPublicKey: otherKey, formerWireguard: key });
    expect(taken?.awaitedWireguard).toBeUndefined();
  });

  test('is not turned back by a proof of before; the operator may', () => {
    const taken = hubOf(moved, { ...pins, provenWireguard: otherKey });
    const replayed = { ...none, known: taken, provenWireguard: key };
    expect(() => hubOf(answer(), replayed)).toThrow(PinMismatch);
    expect(hubOf(moved, { ...none, known: taken })).toEqual(taken);
    expect(hubOf(answer(), { ...none, known: taken, trusted: key })?.wireguardPublicKey).toBe(key);
  });

  test('a pin in the settings stands for it from then on; one of another hub stands for that', () => {
    const config = { ...plain, peer: { ...plain.peer, publicKey: key } };
    const proven = { ...pins, config, provenWireguard: otherKey };
    const taken = hubOf(moved, proven);
    expect(taken).toMatchObject({ wireguardPublicKey: otherKey, wireguardRotatedFrom: key });
    const again = hubOf(moved, { ...none, config, known: taken });
    expect(again).toMatchObject({ wireguardPublicKey: otherKey, wireguardRotatedFrom: key });
    expect(() => hubOf(answer(), { ...none, config, known: taken })).toThrow(PinMismatch);
    const elsewhere = { ...plain, peer: { ...plain.peer, publicKey: third } };
    expect(() => hubOf(moved, { ...proven, config: elsewhere })).toThrow(PinMismatch);
  });

  test('beside a Rosenpass key that was let in by hand waits for its proof; the pinned one stays', () => {
    const both = answer({ rosenpass_sha256: otherSha, wireguard_public_key: otherKey });
    expect(() => hubOf(both, pins)).toThrow(PinMismatch);
    const trusted = hubOf(both, { ...pins, trusted: otherSha });
    expect(trusted).toMatchObject({ rosenpassSha256: otherSha, wireguardPublicKey: key });
    // With that key's own word it moves.
    const known2 = { ...known, rosenpassSha256: otherSha };
    expect(hubOf(both, { ...none, known: known2, provenWireguard: otherKey })?.wireguardPublicKey).toBe(otherKey);
  });
});
