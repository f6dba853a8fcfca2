/** `labman tunnel export` and `import` (A12): there and back in every form, and what is refused. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOptions } from '@labmesh/kit/options';
import { convertSecretKey } from '@labmesh/rosenpass/formats/convert-secret-key';
import { writeNodeState } from '../../conplane/node-file.ts';
import { labmanOptions } from '../labman-options.ts';
import type { Verb } from '../verb.ts';
import { exportKeys } from './export-keys.ts';
import { importKeys } from './import-keys.ts';
import { keygen } from './own-key-verbs.ts';

let root = '';
let home = '';
let count = 0;
/** A folder that is not there yet. */
const fresh = () => join(root, `f${count++}`);

async function run(verb: Verb, argv: string[], ...words: string[]): Promise<string> {
  const { values: flags } = parseOptions(labmanOptions, { argv, env: {}, positionalsMax: 0 });
  let said = '';
  expect(await verb({ flags, words, print: (text) => void (said += text) })).toBe(0);
  return said;
}
const keys = (stateDir: string) =>
  ['pqsk', 'pqpk', 'wg.key'].map((name) => readFileSync(join(stateDir, name)).toString('base64'));
const at = (stateDir: string, ...more: string[]) => ['--state-dir', stateDir, ...more];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'labmesh-files-'));
  home = fresh();
  await run(keygen, at(home));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('what goes out comes in again', () => {
  let out = '';
  beforeEach(() => (out = fresh()));

  test.each(['pc', 'r4'])('as rp’s folder, secret in layout %s', async (sk) => {
    await run(exportKeys, at(home, '--out', out, '--sk', sk));
    expect(readdirSync(out).toSorted()).toEqual(['pqpk', 'pqsk', 'wgsk']);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(out)) expect(statSync(join(out, name)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(out, 'pqsk'))).toHaveLength(sk === 'pc' ? 13_568 : 13_608);
    const there = fresh();
    expect(await run(importKeys, at(there), out)).toContain('restart labmand');
    expect(keys(there)).toEqual(keys(home));
    expect(statSync(join(there, 'pqsk')).mode & 0o777).toBe(0o600);
  });

  test('as rosenpass.toml, whose keys lie beside it; WireGuard’s is made', async () => {
    await run(exportKeys, at(home, '--out', out, '--format', 'toml'));
    expect(readdirSync(out).toSorted()).toEqual(['pqpk', 'pqsk', 'rosenpass.toml']);
    const there = fresh();
    await run(importKeys, at(there), join(out, 'rosenpass.toml'));
    expect(keys(there).slice(0, 2)).toEqual(keys(home).slice(0, 2));
    expect(keys(there)[2]).not.toBe(keys(home)[2]);
  });

  test('as rp’s exchange-config', async () => {
    await run(exportKeys, at(home, '--out', out));
    const file = join(root, 'exchange.toml');
    writeFileSync(file, `private_keys_dir = "${out}"\n[[peers]]\npublic_keys_dir = "hub"\nendpoint = "hub:9999"\n`);
    const there = fresh();
    expect(JSON.parse(await run(importKeys, at(there, '--json'), file))).toMatchObject({
      rosenpassSha256: expect.stringMatching(/^sha256:/),
      warnings: [expect.stringContaining('1 peers are not taken over')],
    });
    expect(keys(there)).toEqual(keys(home));
  });

  test('with the hub that node.json names, for Rosenpass and for wg-quick', async () => {
    const there = fresh();
    cpSync(home, there, { recursive: true });
    const hubKey = readFileSync(join(home, 'pqpk'));
    const sha256 = `sha256:${new Bun.CryptoHasher('sha256').update(hubKey).digest('hex')}`;
    cpSync(join(home, 'pqpk'), join(there, 'keys', `${sha256.slice(7)}.pk`));
    const hub = {
      address: '10.90.0.1',
      wireguardPublicKey: `${'A'.repeat(43)}=`,
      wireguardEndpoint: '[2001:db8::1]:51820',
      rosenpassSha256: sha256,
      rosenpassEndpoint: null,
      rosenpassVersion: 'V03',
      rosenpassCiphertext: null,
    } as const;
    writeNodeState(there, { nodeId: 'n', address: '10.90.0.2', hub });
    await run(exportKeys, at(there, '--out', out, '--format', 'toml'));
    const toml = readFileSync(join(out, 'rosenpass.toml'), 'utf8');
    for (const part of ['hub.pqpk', '"[2001:db8::1]:9999"', 'protocol_version = "V03"']) expect(toml).toContain(part);
    expect(readFileSync(join(out, 'hub.pqpk')).equals(hubKey)).toBe(true);
    const quick = fresh();
    await run(exportKeys, at(there, '--out', quick, '--format', 'wg-conf'));
    const conf = readFileSync(join(quick, 'rosenpass0.conf'), 'utf8');
    expect(conf).toContain('Table = off');
    expect(conf).toContain('AllowedIPs = 10.90.0.1/32');
    expect(conf).not.toContain('PresharedKey');
  });
});

describe('what is refused', () => {
  const imported = async (path: string, ...more: string[]) => run(importKeys, at(fresh(), ...more), path);
  let out = '';
  beforeEach(async () => {
    out = fresh();
    await run(exportKeys, at(home, '--out', out));
  });

  test('keys that are there are replaced with --force only', async () => {
    const there = fresh();
    await run(keygen, at(there));
    expect(await thrower(run(importKeys, at(there), out))).toThrow('--force');
    expect(keys(there)).not.toEqual(keys(home));
    await run(importKeys, at(there, '--force'), out);
    expect(keys(there)).toEqual(keys(home));
    expect(readdirSync(there).filter((name) => name.includes('next'))).toEqual([]);
  });

  test.each<[string, () => void, string]>([
    ['a secret that others may read', () => chmodSync(join(out, 'pqsk'), 0o644), 'chmod 600'],
    ['a WireGuard key that others may read', () => chmodSync(join(out, 'wgsk'), 0o604), 'chmod 600'],
    ['a secret of a wrong length', () => writeFileSync(join(out, 'pqsk'), Buffer.alloc(13_600)), '13568 or 13608'],
    ['a public key of a wrong length', () => writeFileSync(join(out, 'pqpk'), Buffer.alloc(524_159)), '524160'],
    ['a secret without its public half', () => rmSync(join(out, 'pqpk')), 'is not'],
    ['no key at all', () => (rmSync(join(out, 'pqpk')), rmSync(join(out, 'pqsk'))), 'neither'],
    ['a missing WireGuard key', () => rmSync(join(out, 'wgsk')), 'wgsk is missing'],
    ['a WireGuard key that is none', () => writeFileSync(join(out, 'wgsk'), 'AAAA'), 'expected 32'],
    ['halves of different pairs', () => writeFileSync(join(out, 'pqpk'), randomBytes(524_160)), 'different pairs'],
  ])('%s', async (_, breakIt, message) => {
    breakIt();
    expect(await thrower(imported(out))).toThrow(message);
  });

  test('a file without keys, one that is no TOML, and none', async () => {
    const file = join(root, 'a.toml');
    writeFileSync(file, 'listen = ["0.0.0.0:9999"]\n');
    expect(await thrower(imported(file))).toThrow('names no public_key');
    writeFileSync(file, 'public_key = \n');
    expect(await thrower(imported(file))).toThrow(file);
    expect(await thrower(imported(join(root, 'nowhere')))).toThrow('no such');
  });

  test('a refusal writes nothing', async () => {
    const there = fresh();
    writeFileSync(join(out, 'pqpk'), randomBytes(524_160));
    expect(await thrower(run(importKeys, at(there), out))).toThrow();
    expect(existsSync(there)).toBe(false);
  });

  test('an export over what is there, without a hub for wg-quick, and without keys', async () => {
    expect(await thrower(run(exportKeys, at(home, '--out', out)))).toThrow('is there already');
    const there = fresh();
    expect(await thrower(run(exportKeys, at(home, '--out', there, '--format', 'wg-conf')))).toThrow(
      'first registration',
    );
    expect(existsSync(there)).toBe(false);
    expect(await thrower(run(exportKeys, at(fresh(), '--out', there)))).toThrow('no keys yet');
  });
});

test('a secret in the long layout serves the node as it is, and goes out in the short one', async () => {
  const there = fresh();
  cpSync(home, there, { recursive: true });
  const long = convertSecretKey(readFileSync(join(home, 'pqsk')), 'r4', (bytes) => new Uint8Array(randomBytes(bytes)));
  writeFileSync(join(there, 'pqsk'), long);
  const out = fresh();
  await run(exportKeys, at(there, '--out', out));
  expect(readFileSync(join(out, 'pqsk')).equals(readFileSync(join(home, 'pqsk')))).toBe(true);
});
