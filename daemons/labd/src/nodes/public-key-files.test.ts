import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localRoot } from '../login/testing/callers.ts';
import { PublicKeyFiles } from './public-key-files.ts';
import { newNodeToken, openNodeGround, registration } from './testing/node-ground.ts';
import { fingerprint, keysOf, rosenpassKey } from './testing/remembering-tunnel.ts';

function folder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'labmesh-keys-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
const age = (path: string) => utimesSync(path, new Date(0), new Date(0));

describe('key files (tunnel K7)', () => {
  test('written once, whole, at once by many', async () => {
    using at = folder();
    const files = new PublicKeyFiles(join(at.path, 'keys'));
    const key = rosenpassKey(1);
    expect(await files.keep(fingerprint(key))).toBe(false);
    const written = await Promise.all(Array.from({ length: 8 }, () => files.write(key)));
    expect(new Set(written)).toEqual(new Set([fingerprint(key)]));
    expect(readdirSync(join(at.path, 'keys'))).toEqual([`${fingerprint(key).slice(7)}.pk`]);
    expect(await files.keep(fingerprint(key))).toBe(true);
  });

  test('one that the disk cut short or changed is not there, and is written again', async () => {
    using at = folder();
    const files = new PublicKeyFiles(at.path);
    const key = rosenpassKey(1);
    await files.write(key);
    const path = join(at.path, `${fingerprint(key).slice(7)}.pk`);
    truncateSync(path, 10);
    expect(await files.keep(fingerprint(key))).toBe(false);
    writeFileSync(path, rosenpassKey(2));
    expect(await files.keep(fingerprint(key))).toBe(false);
    await files.write(key);
    expect(await files.keep(fingerprint(key))).toBe(true);
  });

  test('a folder that takes nothing is told, and leaves no draft', async () => {
    using at = folder();
    writeFileSync(join(at.path, 'file'), '');
    const files = new PublicKeyFiles(join(at.path, 'file', 'keys'));
    expect(await files.write(rosenpassKey(1)).catch(({ code }: { code: string }) => code)).toBe('ENOTDIR');
    chmodSync(at.path, 0o700);
    expect(readdirSync(at.path)).toEqual(['file']);
  });

  test('swept: what no row names and is old; not what is young, used or somebody else’s', async () => {
    using at = folder();
    const files = new PublicKeyFiles(at.path);
    expect(await new PublicKeyFiles(join(at.path, 'none')).sweep(new Set(), 1_000)).toBe(0);
    const names = await Promise.all([1, 2, 3].map((seed) => files.write(rosenpassKey(seed))));
    const path = (name = '') => join(at.path, `${name.slice(7)}.pk`);
    writeFileSync(join(at.path, 'notes.txt'), '');
    writeFileSync(join(at.path, 'a.pk.tmp'), '');
    for (const one of [path(names[0]), path(names[1]), join(at.path, 'notes.txt'), join(at.path, 'a.pk.tmp')]) age(one);
    expect(await files.sweep(new Set([names[0] ?? '']), 1_000)).toBe(2);
    expect(readdirSync(at.path).toSorted()).toEqual(
      [path(names[0]), path(names[2]), join(at.path, 'notes.txt')].map((one) => one.split('/').at(-1) ?? '').toSorted(),
    );
  });

  test('the keys of nodes and peers stay, those of removed ones go', async () => {
    await using ground = await openNodeGround();
    const { node } = await ground.registry.register(registration(await newNodeToken(ground), keysOf(1)));
    const keys = join(ground.dataDir, 'keys');
    for (const name of readdirSync(keys)) age(join(keys, name));
    await ground.sweepKeys();
    expect(readdirSync(keys)).toHaveLength(1);
    await ground.lifecycle.remove(localRoot, node?.id ?? '');
    await ground.sweepKeys();
    expect(readdirSync(keys)).toEqual([]);
  });
});
