import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { FileSealer, type FileSealerOptions } from './file-sealer.ts';
import { newKek } from './kek.ts';
import { addToKeyFile, readKeyFile } from './key-file.ts';
import { kekIdOf } from './seal-value.ts';
import { SecretsRefused } from './secrets-refused.ts';

let folder: string;
let keyFile: string;
let made: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-file-sealer-'));
  keyFile = join(folder, 'keys', 'kek.key');
  made = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const place = { table: 'attest', rowId: 'keys.json', field: 'keys' };
const settings = { keyFile: 'x.kek_file', passphrase: 'X_KEY', previousPassphrase: 'X_KEY_PREVIOUS' };
const sealer = (more: Partial<FileSealerOptions> = {}) =>
  new FileSealer({ file: 'secret.json', place, keyFile, settings, onNewKeyFile: (path) => made.push(path), ...more });

const plain = new TextEncoder().encode('{"version":1,"pkcs8":"MC4CAQAwBQYDK2VwBCIEI"}');
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const fieldsOf = (bytes: Uint8Array) => JSON.parse(text(bytes)) as { salt: string | null; sealed: string };
const ids = async () => ((await readKeyFile(keyFile)) ?? []).map(({ id }) => id);

async function refusal(work: Promise<unknown>): Promise<SecretsRefused> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SecretsRefused);
  expect((error as SecretsRefused).exitCode).toBe(78);
  return error as SecretsRefused;
}

describe('with a key file', () => {
  test('that is made once and told: the next process opens what this one sealed', async () => {
    const sealed = await sealer().seal(plain);
    expect(made).toEqual([keyFile]);
    expect(text(sealed)).toMatch(/^\{"salt":null,"sealed":"enc:v1:[\w-]+","version":2\}$/);
    for (const part of ['pkcs8', 'MC4CAQ', Buffer.from(plain).toString('base64url').slice(8, 40)]) {
      expect(text(sealed)).not.toContain(part);
    }
    expect(kekIdOf(fieldsOf(sealed).sealed)).toBe((await ids())[0]);
    expect(await sealer().open(sealed)).toEqual({ plain, form: 'current' });
    expect(await sealer().seal(plain)).not.toEqual(sealed);
    expect(made).toEqual([keyFile]);
  });

  test('a file from before it was sealed is given back whole, and makes no key', async () => {
    expect(await sealer().open(plain)).toEqual({ plain, form: 'clear' });
    expect(existsSync(keyFile)).toBe(false);
  });

  test('a newer line seals from the next write on; the lines before still open, also in a process that runs', async () => {
    const running = sealer();
    const before = await running.seal(plain);
    await running.open(before);
    const rotating = sealer();
    await rotating.open(before);
    await rotating.rotate();
    expect((await rotating.open(before)).form).toBe('older');
    const after = await rotating.seal(plain);
    expect([kekIdOf(fieldsOf(before).sealed), kekIdOf(fieldsOf(after).sealed)]).toEqual((await ids()) as never);
    expect(await running.open(after)).toEqual({ plain, form: 'current' });
    expect((await sealer().open(before)).form).toBe('older');
    expect(kekIdOf(fieldsOf(await running.seal(plain)).sealed)).toBe((await ids())[1]);
  });

  test('a rotation where there is no key file makes one, with one key, and tells of it', async () => {
    const rotating = sealer();
    await rotating.open(plain);
    await rotating.rotate();
    expect([made, (await ids()).length]).toEqual([[keyFile], 1]);
    expect((await sealer().open(await rotating.seal(plain))).form).toBe('current');
  });

  test('a key that is missing or another: told by its id with the setting and the way out, and none is made', async () => {
    const sealed = await sealer().seal(plain);
    const [id = ''] = await ids();
    const kept = readFileSync(keyFile);
    rmSync(keyFile);
    for (const put of [() => {}, () => addToKeyFile(keyFile, newKek()), () => writeFileSync(keyFile, '# none\n')]) {
      await put();
      const before = existsSync(keyFile) ? readFileSync(keyFile) : undefined;
      const refused = await refusal(sealer().open(sealed));
      expect(refused.keyId).toBe(id);
      expect(refused.message).toContain(`secret.json is sealed with key ${id}, and it is not in ${keyFile}`);
      expect(refused.message).toContain('put that key into it (x.kek_file)');
      expect(existsSync(keyFile) ? readFileSync(keyFile) : undefined).toEqual(before as never);
    }
    writeFileSync(keyFile, kept);
    expect((await sealer().open(sealed)).plain).toEqual(plain);
  });

  test('that is lost while a process runs: it opens on, and seals with no key that nobody keeps', async () => {
    const running = sealer();
    const sealed = await running.seal(plain);
    await running.open(sealed);
    rmSync(keyFile);
    expect((await running.open(sealed)).plain).toEqual(plain);
    expect((await refusal(running.seal(plain))).message).toContain('are gone; put them back');
    expect((await refusal(running.rotate())).message).toContain('are gone; put them back');
    expect((await running.open(sealed)).plain).toEqual(plain);
    expect(existsSync(keyFile)).toBe(false);
  });

  test('that cannot be used is told with its setting', async () => {
    mkdirSync(join(folder, 'keys'));
    writeFileSync(keyFile, '# to be filled in\n', { mode: 0o600 });
    expect((await refusal(sealer().seal(plain))).message).toBe(
      `x.kek_file: ${keyFile} holds no key; put one in, or remove it and one is made`,
    );
    writeFileSync(keyFile, 'base64:abc\n');
    expect((await refusal(sealer().seal(plain))).message).toContain(`x.kek_file: ${keyFile}:1: expected base64:`);
    chmodSync(keyFile, 0o644);
    expect((await refusal(sealer().seal(plain))).message).toContain(`x.kek_file: ${keyFile} can be read by others`);
    rmSync(keyFile);
    mkdirSync(keyFile, { mode: 0o700 });
    expect((await refusal(sealer().seal(plain))).message).toBe(`x.kek_file: ${keyFile} cannot be used (EISDIR)`);
  });

  test('of ten processes that seal at once on a new machine, all seal with the one key of the file', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => sealer().seal(plain)));
    expect([made.length, new Set(all.map((one) => kekIdOf(fieldsOf(one).sealed))).size]).toEqual([1, 1]);
    for (const one of all) expect((await sealer().open(one)).plain).toEqual(plain);
  });
});

describe('with a passphrase', () => {
  const [old, next] = ['correct horse', 'battery staple'];

  test('no key file is made; another passphrase, or none, is refused by the variable, and nothing of it is told', async () => {
    const sealed = await sealer({ passphrase: old }).seal(plain);
    expect([existsSync(keyFile), fieldsOf(sealed).salt]).toEqual([false, expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(await sealer({ passphrase: old }).open(sealed)).toEqual({ plain, form: 'current' });
    const wrong = await refusal(sealer({ passphrase: next }).open(sealed));
    expect(wrong.message).toContain('X_KEY gives another: set X_KEY as it was then');
    expect(wrong.message).not.toMatch(/horse|staple/);
    expect((await refusal(sealer().open(sealed))).message).toContain("a passphrase's: set X_KEY as it was then");
    expect(existsSync(keyFile)).toBe(false);
  });

  test('the one before opens, for the start that goes over to another, or to a file; a file opens for one that goes over', async () => {
    const first = await sealer({ passphrase: old }).seal(plain);
    const over = sealer({ passphrase: next, previousPassphrase: old });
    expect((await over.open(first)).form).toBe('older');
    const second = await over.seal(plain);
    expect((await sealer({ passphrase: next }).open(second)).form).toBe('current');
    const toFile = sealer({ previousPassphrase: next });
    expect((await toFile.open(second)).form).toBe('older');
    const third = await toFile.seal(plain);
    expect((await sealer().open(third)).form).toBe('current');
    expect((await sealer({ passphrase: old }).open(third)).form).toBe('older');
  });

  test('a rotation has another salt, and a process that runs goes over to it', async () => {
    const running = sealer({ passphrase: old });
    const before = await running.seal(plain);
    await running.open(before);
    const rotating = sealer({ passphrase: old });
    await rotating.open(before);
    await rotating.rotate();
    expect((await rotating.open(before)).form).toBe('older');
    const after = await rotating.seal(plain);
    expect(fieldsOf(after).salt).not.toBe(fieldsOf(before).salt);
    expect((await rotating.open(after)).form).toBe('current');
    expect((await running.open(after)).form).toBe('current');
    expect(fieldsOf(await running.seal(plain)).salt).toBe(fieldsOf(after).salt);
  });
});

describe('what was changed', () => {
  test('any byte of the sealed text: refused with the way out, and never given as something else', async () => {
    const sealed = await sealer().seal(plain);
    const from = text(sealed).indexOf('enc:v1:') + 7;
    const length = fieldsOf(sealed).sealed.length - 8;
    await fc.assert(
      fc.asyncProperty(fc.nat(length - 1), fc.constantFrom(...'AZaz09-_'), async (at, char) => {
        const index = from + at;
        if (text(sealed)[index] === char) return;
        const changed = text(sealed).slice(0, index) + char + text(sealed).slice(index + 1);
        const refused = await refusal(sealer().open(new TextEncoder().encode(changed)));
        expect(refused.message).toMatch(/it was changed; restore it|put that key into it|is damaged: restore it/);
      }),
      { numRuns: 200 },
    );
  });

  test('sealed for another place, or under a salt that is another’s', async () => {
    const sealed = await sealer({ place: { ...place, rowId: 'other.json' } }).seal(plain);
    expect((await refusal(sealer().open(sealed))).message).toContain('does not open with key');
    const moved = JSON.stringify({ ...fieldsOf(sealed), salt: '0'.repeat(32) });
    expect((await refusal(sealer({ passphrase: 'x' }).open(new TextEncoder().encode(moved)))).keyId).toMatch(/^k/);
  });

  test('bytes of any kind are either refused, or given back as they are for a parser to judge', async () => {
    const parts = fc.record({ version: fc.constantFrom(1, 2), salt: fc.option(fc.string()), sealed: fc.string() });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      parts.map((one) => new TextEncoder().encode(JSON.stringify(one))),
      fc.base64String().map((one) => new TextEncoder().encode(`{"salt":null,"sealed":"enc:v1:${one}","version":2}`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        const opened = await sealer()
          .open(given)
          .catch((error: unknown) => error);
        if (opened instanceof SecretsRefused) return;
        expect(opened).toEqual({ plain: given, form: 'clear' });
      }),
    );
    expect(existsSync(keyFile)).toBe(false);
  });
});
