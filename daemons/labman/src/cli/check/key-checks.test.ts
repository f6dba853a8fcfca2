import { afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { nextKeyPaths } from '@labmesh/tunnel/keys/next-key-files';
import { type RosenpassKeyPaths, writeRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { loadWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { tunnelPaths } from '../../tunnel/tunnel-paths.ts';
import { keyChecks } from './key-checks.ts';

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
let [pair, other]: ReturnType<typeof generateKeyPair>[] = [];
beforeAll(() => ([pair, other] = [generateKeyPair(random, 'pc'), generateKeyPair(random, 'pc')]));

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-check-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const none = { privateKeyPath: undefined, publicKeyPath: undefined };
const paths = () => tunnelPaths({ keys: none, rosenpass: none }, folder);
const config = (presharedKeyPath?: string) => ({ rosenpass: { presharedKeyPath } }) as unknown as TunnelConfig;
const checks = (presharedKeyPath?: string) => keyChecks(config(presharedKeyPath), paths());
const write = (at: RosenpassKeyPaths) => writeRosenpassKeys(at, pair as NonNullable<typeof pair>);

test('no keys yet are none to complain of, and none are made', () => {
  expect(checks().map(({ result, detail }) => [result, detail])).toEqual([
    ['pass', 'none yet; made at the first start'],
    ['pass', 'none yet; made at the first start'],
  ]);
});

test('good ones pass by their public halves; one that is to follow is mentioned', () => {
  const { publicKey } = loadWireguardKeys(paths().wireguard);
  write(paths().rosenpass);
  const [wireguard, rosenpass] = checks();
  expect(wireguard).toMatchObject({ result: 'pass', detail: Buffer.from(publicKey).toString('base64') });
  expect(rosenpass?.detail).toMatch(/^sha256:[0-9a-f]{64}$/);
  write(nextKeyPaths(paths().rosenpass));
  expect(checks()[1]).toMatchObject({ result: 'pass', detail: expect.stringContaining('labman tunnel rotate') });
});

test.each([
  ['readable for others', () => chmodSync(join(folder, 'pqsk'), 0o644), /mode 0600, found 0644/, /^run chmod 600 /],
  [
    'of a wrong length',
    () => writeFileSync(join(folder, 'pqsk'), Buffer.alloc(99), { mode: 0o600 }),
    /found 99$/,
    /put/,
  ],
  ['half a pair', () => rmSync(join(folder, 'pqpk')), /pqsk is there, .*pqpk is not/, /put it back/],
  [
    'half of another',
    () => writeFileSync(join(folder, 'pqpk'), other?.publicKey ?? ''),
    /halves of different/,
    /trust/,
  ],
  [
    'no file',
    () => (rmSync(join(folder, 'pqsk')), mkdirSync(join(folder, 'pqsk'), 0o700)),
    /expected a key file/,
    /put/,
  ],
])('a Rosenpass key that is %s fails with what mends it', (_, breakIt, detail, fix) => {
  write(paths().rosenpass);
  breakIt();
  const [, found] = checks();
  expect(found).toMatchObject({ name: 'Rosenpass key', result: 'fail' });
  expect(found?.detail).toMatch(detail);
  expect(found?.fix).toMatch(fix);
});

test.each([
  ['readable for others', () => chmodSync(join(folder, 'wg.key'), 0o640), 'chmod 600'],
  ['no key', () => writeFileSync(join(folder, 'wg.key'), 'hello\n', { mode: 0o600 }), 'put the right file'],
])('a WireGuard key that is %s fails with what mends it', (_, breakIt, fix) => {
  loadWireguardKeys(paths().wireguard);
  breakIt();
  const [found] = checks();
  expect(found).toMatchObject({ name: 'WireGuard key', result: 'fail' });
  expect(found?.fix).toContain(fix);
});

test('a preshared key is looked at when one is named', () => {
  const path = join(folder, 'psk');
  expect(checks(path)[2]).toMatchObject({ name: 'preshared key', result: 'fail' });
  writeFileSync(path, 'short');
  expect(checks(path)[2]?.detail).toContain('32 bytes');
  writeFileSync(path, `${randomBytes(32).toString('base64')}\n`);
  expect(checks(path)[2]).toMatchObject({ result: 'pass' });
});
