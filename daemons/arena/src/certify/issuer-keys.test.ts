/** The signing keys at rest (CT6): sealed, taken over from an older version, and what a crash leaves. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKeyRing, sealKeys } from '@labmesh/attest/keys/key-folder';
import { type KeyRing, trustOf } from '@labmesh/attest/keys/key-ring';
import { keyRingBytes } from '@labmesh/attest/keys/stored-ring';
import { trustText } from '@labmesh/attest/keys/trust';
import { createLogger } from '@labmesh/kit/log';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import { keysIn, openSigning } from './testing/open-certify.ts';

const root = mkdtempSync(join(tmpdir(), 'labmesh-issuer-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = () => join(root, `${folders++}`);
const ringIn = async (data: string) => (await readKeyRing(keysIn(data))) as KeyRing;
const keysFile = (data: string) => join(data, 'attest', 'keys.json');

/** Every file below a folder. */
const filesOf = (data: string) =>
  readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

/** Files in which a private key of the ring can be read, in any of the forms that one is written in. */
function leaking(data: string, { keys, log }: KeyRing): string[] {
  const secrets = [...keys, log].flatMap(({ signer }) => {
    const pkcs8 = signer !== undefined && 'exportPkcs8' in signer ? signer.exportPkcs8() : new Uint8Array(48);
    const seed = Buffer.from(pkcs8.subarray(-32));
    return [
      Buffer.from(pkcs8).toString('base64'),
      seed.toString('hex'),
      seed.toString('base64'),
      seed.toString('latin1'),
    ];
  });
  return filesOf(data).filter((path) => {
    const text = readFileSync(path, 'latin1');
    return secrets.some((secret) => text.includes(secret));
  });
}

/** A folder as a version that did not seal left it. */
async function clearFolder(): Promise<{ data: string; ring: KeyRing }> {
  const data = newFolder();
  await (await openSigning(join(data, 'attest')))[Symbol.asyncDispose]();
  const ring = await ringIn(data);
  rmSync(join(data, 'arena'), { recursive: true });
  writeFileSync(keysFile(data), keyRingBytes(ring), { mode: 0o600 });
  return { data, ring };
}

/** Starts the signing of a data folder; gives what it logged. */
async function start(data: string): Promise<string[]> {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  await (await openSigning(join(data, 'attest'), log))[Symbol.asyncDispose]();
  return lines;
}

describe('a start', () => {
  test('on a new folder leaves no private key in any file, and the next one opens the same keys', async () => {
    const data = newFolder();
    expect(await start(data)).toEqual([]);
    const ring = await ringIn(data);
    expect(leaking(data, ring)).toEqual([]);
    expect(existsSync(join(data, 'arena', 'kek.key'))).toBe(true);
    await start(data);
    expect(trustText(trustOf(await ringIn(data)))).toBe(trustText(trustOf(ring)));
  });

  test('takes over keys that lie open: once, told once without anything of them, and nothing stays beside', async () => {
    const { data, ring } = await clearFolder();
    writeFileSync(`${keysFile(data)}.99.0.tmp`, keyRingBytes(ring), { mode: 0o600 });
    expect(leaking(data, ring)).toEqual(expect.arrayContaining([keysFile(data), `${keysFile(data)}.99.0.tmp`]));
    const lines = await start(data);
    expect(lines).toEqual([expect.stringContaining('the signing keys lay open in their file; they are sealed now')]);
    expect(leaking(data, ring)).toEqual([]);
    expect(await start(data)).toEqual([]);
    expect(trustText(trustOf(await ringIn(data)))).toBe(trustText(trustOf(ring)));
  });

  test('with another key changes nothing, and makes no keys', async () => {
    const data = newFolder();
    await start(data);
    const before = filesOf(data).map((path) => [path, readFileSync(path, 'latin1')]);
    const kek = join(data, 'arena', 'kek.key');
    const kept = readFileSync(kek, 'utf8');
    writeFileSync(kek, kept.replace(/base64:.*/, `base64:${Buffer.alloc(32, 9).toString('base64')}`));
    const refused: unknown = await start(data).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SecretsRefused);
    expect((refused as Error).message).toContain('put that key into it (attest.kek_file)');
    writeFileSync(kek, kept);
    expect(filesOf(data).map((path) => [path, readFileSync(path, 'latin1')])).toEqual(before);
    await start(data);
  });

  test('beside an arena that has the log leaves the keys as they are', async () => {
    const { data, ring } = await clearFolder();
    await using running = await openSigning(join(data, 'attest'));
    expect(running).toBeDefined();
    writeFileSync(keysFile(data), keyRingBytes(ring), { mode: 0o600 });
    expect(await thrower(openSigning(join(data, 'attest')))).toThrow('another process');
    expect(readFileSync(keysFile(data))).toEqual(Buffer.from(keyRingBytes(ring)));
  });
});

describe('killed before each operation on a file', () => {
  /** Exit code and signal of the child that is killed at `operation`. */
  async function kill(data: string, what: string, operation: number): Promise<'killed' | 'done'> {
    const program = join(import.meta.dir, 'testing', 'seal-until-killed.ts');
    const child = Bun.spawn([process.execPath, program, data, what, `${operation}`], { stderr: 'pipe' });
    const [said] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    if (child.signalCode === 'SIGKILL') return 'killed';
    expect([said, child.exitCode]).toEqual(['', 0]);
    return 'done';
  }

  test.each(['take-over', 'reseal'])(
    'of a %s: the file is whole, old or new, and the next start ends it',
    async (what) => {
      const { data: from, ring } = await clearFolder();
      if (what === 'reseal') await sealKeys(keysIn(from));
      const expected = trustText(trustOf(ring));
      let killed = 0;
      for (let operation = 0; ; operation++) {
        const data = newFolder();
        cpSync(from, data, { recursive: true });
        const end = await kill(data, what, operation);
        expect([operation, trustText(trustOf(await ringIn(data)))]).toEqual([operation, expected]);
        await start(data);
        expect([operation, leaking(data, ring)]).toEqual([operation, []]);
        expect(readdirSync(join(data, 'attest')).filter((name) => name.startsWith('keys.json'))).toEqual(['keys.json']);
        expect(trustText(trustOf(await ringIn(data)))).toBe(expected);
        if (end === 'done') break;
        killed++;
      }
      // Reading, the key file with its folders, draft, write, sync, rename, sync: fewer would mean that nothing was killed.
      expect(killed).toBeGreaterThan(8);
    },
    300_000,
  );
});
