/** What seals the keys of an issuer (CT6), as `labctl cert` finds it: key file, settings file, passphrase. */
import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import type { KeyRing } from '@labmesh/attest/keys/key-ring';
import { keyRingBytes } from '@labmesh/attest/keys/stored-ring';
import { lockFolder } from '@labmesh/attest/log/open-log-folder';
import { dispatch } from '../../dispatch.ts';
import { testWorld } from '../../testing/test-world.ts';
import { findIssuerKeys } from '../../verify/issuer-keys.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-seal-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
/** A data folder, and labctl on it. */
function newIssuer(env: Record<string, string> = {}) {
  const data = join(root, `${folders++}`);
  const at = (name: string) => join(data, name);
  const worldOf = (more: Record<string, string>) =>
    testWorld({ env: { HOME: root, LABMESH_DATA: data, USER: 'alice', ...env, ...more } });
  const labctl = async (words: string, more: Record<string, string> = {}) => {
    const world = worldOf(more);
    const exitCode = await dispatch(words.split(' '), world);
    return { exitCode, ...world.said };
  };
  const keyid = async (more: Record<string, string> = {}) => {
    const { stdout } = await labctl('cert keys list --json', more);
    return (JSON.parse(stdout) as { keys?: { keyid: string }[] }).keys?.[0]?.keyid;
  };
  const sealedText = () => readFileSync(at('attest/keys.json'), 'utf8');
  const ring = async () => (await readKeyRing(await findIssuerKeys({ data }, worldOf({})))) as KeyRing;
  return { data, at, labctl, keyid, sealedText, ring };
}
const linesOf = (path: string) => readFileSync(path, 'utf8').match(/^base64:.*$/gm) ?? [];

test('the first keys are sealed with a key file that is made, 0600, and told of; nothing of them is in a file', async () => {
  const { at, labctl, ring } = newIssuer();
  const made = await labctl('cert keys rotate');
  expect(made).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`new key file, ${at('arena/kek.key')}`) });
  expect(statSync(at('arena/kek.key')).mode & 0o777).toBe(0o600);
  const bytes = ['keys.json', 'trust.json'].map((name) => readFileSync(at(`attest/${name}`), 'latin1')).join('\n');
  const { keys, log } = await ring();
  for (const { signer } of [...keys, log]) {
    const pkcs8 = signer !== undefined && 'exportPkcs8' in signer ? signer.exportPkcs8() : new Uint8Array(0);
    for (const form of [
      pkcs8.toBase64(),
      pkcs8.subarray(-32).toHex(),
      Buffer.from(pkcs8.subarray(-32)).toString('latin1'),
    ]) {
      expect(bytes.includes(form)).toBe(false);
    }
  }
});

test('reseal: another line, another text, the same keys; the line before is needed no more', async () => {
  const { at, labctl, keyid, sealedText } = newIssuer();
  await labctl('cert keys rotate');
  const [before, text] = [await keyid(), sealedText()];
  expect(JSON.parse((await labctl('cert keys reseal --json')).stdout)).toEqual({ resealed: true });
  const lines = linesOf(at('arena/kek.key'));
  expect([lines.length, sealedText() === text, await keyid()]).toEqual([2, false, before]);
  writeFileSync(at('arena/kek.key'), `${lines[1] ?? ''}\n`);
  expect(await keyid()).toBe(before);
  // A backup from before.
  writeFileSync(at('attest/keys.json'), text);
  expect(await labctl('cert keys list')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('attest.kek_file'),
  });
  writeFileSync(at('arena/kek.key'), lines.map((line) => `${line}\n`).join(''));
  expect(await keyid()).toBe(before);
});

test('another key, or none: exit 3 with setting and way out; nothing is changed, and no key is made', async () => {
  const { at, labctl, sealedText } = newIssuer();
  await labctl('cert keys rotate');
  const text = sealedText();
  renameSync(at('arena/kek.key'), at('kept'));
  const words = ['list', 'export', 'rotate', 'reseal', `revoke ${'0'.repeat(64)} --reason superseded --yes`];
  for (const other of [undefined, `base64:${Buffer.alloc(32, 7).toString('base64')}\n`]) {
    if (other !== undefined) writeFileSync(at('arena/kek.key'), other, { mode: 0o600 });
    for (const word of words) {
      const { exitCode, stderr } = await labctl(`cert keys ${word}`);
      expect([word, exitCode, stderr]).toEqual([
        word,
        3,
        expect.stringContaining('put that key into it (attest.kek_file)'),
      ]);
    }
    expect(existsSync(at('arena/kek.key'))).toBe(other !== undefined);
  }
  expect([sealedText(), linesOf(at('arena/kek.key')).length]).toEqual([text, 1]);
});

test('the settings file says where the key file is, whatever else stands in it', async () => {
  const { at, labctl, keyid } = newIssuer();
  mkdirSync(at('.'));
  const settings = [
    '[arena]',
    'listen = "127.0.0.1:9"',
    '[attest]',
    `kek_file = "${at('elsewhere/kek')}"`,
    'unknown = 1',
    '',
  ];
  writeFileSync(at('labmesh.toml'), settings.join('\n'));
  expect((await labctl('cert keys rotate')).exitCode).toBe(0);
  expect([existsSync(at('elsewhere/kek')), existsSync(at('arena/kek.key'))]).toEqual([true, false]);
  const config = at('other.toml');
  renameSync(at('labmesh.toml'), config);
  expect((await labctl('cert keys list')).exitCode).toBe(3);
  expect(await keyid({ LABMESH_CONFIG: config })).toMatch(/^[0-9a-f]{64}$/);
  writeFileSync(config, '[attest]\nkek_file = 7\n');
  expect(await labctl('cert keys list', { LABMESH_CONFIG: config })).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('attest.kek_file'),
  });
});

test('a passphrase, and its change; nothing of either is told', async () => {
  const [old, next] = ['correct horse', 'battery staple'];
  const { at, labctl, keyid, sealedText } = newIssuer();
  const made = await labctl('cert keys rotate', { ATTEST_ENCRYPTION_KEY: old });
  expect([made.exitCode, existsSync(at('arena/kek.key'))]).toEqual([0, false]);
  const before = await keyid({ ATTEST_ENCRYPTION_KEY: old });
  const wrong = await labctl('cert keys list', { ATTEST_ENCRYPTION_KEY: next });
  expect(wrong.stderr).not.toMatch(/horse|staple/);
  expect(wrong).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('set ATTEST_ENCRYPTION_KEY as it was') });
  const both = { ATTEST_ENCRYPTION_KEY: next, ATTEST_ENCRYPTION_KEY_PREVIOUS: old };
  expect((await labctl('cert keys reseal', both)).exitCode).toBe(0);
  expect(await keyid({ ATTEST_ENCRYPTION_KEY: next })).toBe(before);
  expect(sealedText()).not.toMatch(/horse|staple/);
}, 60_000);

test('keys that lie open are read, and sealed with the next change', async () => {
  const { at, labctl, keyid, sealedText, ring } = newIssuer();
  await labctl('cert keys rotate');
  const before = await keyid();
  writeFileSync(at('attest/keys.json'), keyRingBytes(await ring()), { mode: 0o600 });
  rmSync(dirname(at('arena/kek.key')), { recursive: true });
  expect(await keyid()).toBe(before);
  expect((await labctl('cert keys reseal')).exitCode).toBe(0);
  expect([await keyid(), sealedText().startsWith('{"salt":null,"sealed":"enc:v1:')]).toEqual([before, true]);
});

test('who has the log is asked to revoke, also where the keys do not open here', async () => {
  const { at, labctl } = newIssuer();
  await labctl('cert keys rotate');
  rmSync(at('arena/kek.key'));
  using _lock = lockFolder(at('attest/log'));
  const words = `cert keys revoke ${'0'.repeat(64)} --reason superseded --yes`;
  expect(await labctl(words)).toMatchObject({ exitCode: 8, stderr: expect.stringContaining('LOG_LOCKED') });
});
