import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from '@labmesh/kit/config-file';
import fc from 'fast-check';
import { readLabmanConfig } from '../labman-config.ts';
import { join as joinVerb, joinConplane, parseOnboarding } from './join.ts';
import type { LabmanFlags } from './labman-options.ts';

const token = `lmn_${'a'.repeat(10)}_${'b'.repeat(43)}`;
const key = `${'A'.repeat(43)}=`;
const onboarding = (change: object = {}) => {
  const json = { url: 'https://hub.example:3102', token, ca_sha256: `sha256:${'c'.repeat(64)}`, wg_public_key: key };
  const body = JSON.stringify({ ...json, rp_sha256: `sha256:${'d'.repeat(64)}`, ...change });
  return `labmesh-node:1:${Buffer.from(body).toString('base64url')}`;
};

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-join-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const file = () => join(folder, 'labman.toml');

describe('labman join', () => {
  test('writes settings that labmand reads, and the token apart from them, 0600', async () => {
    const { tokenFile } = joinConplane(`${onboarding()}\n`, file());
    expect(readFileSync(tokenFile, 'utf8')).toBe(`${token}\n`);
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(file(), 'utf8')).not.toContain(token);
    const warnings: string[] = [];
    const config = readLabmanConfig(await readConfigFile(file()), { warn: (line) => void warnings.push(line) });
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ classic: false, slugScheme: 'sealed' });
    expect(config.controlPlane).toMatchObject({
      url: 'https://hub.example:3102/api/v1',
      token: { path: tokenFile },
      caPin: `sha256:${'c'.repeat(64)}`,
    });
    expect(config.tunnel).toMatchObject({
      peer: { publicKey: key },
      rosenpass: { peerSha256: `sha256:${'d'.repeat(64)}` },
    });
  });

  test('adds to settings that are there; those that name a Conplane already stay as they are', () => {
    const before = '[[endpoints]]\nname = "a"\nbase_url = "http://127.0.0.1:11434/v1"\n';
    writeFileSync(file(), before, { mode: 0o600 });
    joinConplane(onboarding(), file());
    const after = readFileSync(file(), 'utf8');
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(after.startsWith(before.trimEnd())).toBe(true);
    rmSync(join(folder, 'node.token'));
    expect(() => joinConplane(onboarding(), file())).toThrow('has [control_plane] already');
    expect(readFileSync(file(), 'utf8')).toBe(after);
    expect(existsSync(join(folder, 'node.token'))).toBe(false);
  });

  test('a fresh file takes endpoints as its first lines show them', async () => {
    joinConplane(onboarding(), file());
    const text = readFileSync(file(), 'utf8').replaceAll(/^# (?=\[\[|name|base_url)/gm, '');
    writeFileSync(file(), text);
    const config = readLabmanConfig(await readConfigFile(file()), { warn: () => {} });
    expect(config.endpoints.map(({ name }) => name)).toEqual(['ollama']);
    expect(() => joinConplane(onboarding(), file())).toThrow('has [labman.control_plane] already');
  });

  test('tables go below [labman] where that is how the file is written', async () => {
    writeFileSync(file(), '[labman.proxy]\nlisten_port = 8081\n');
    joinConplane(onboarding(), file());
    const config = readLabmanConfig(await readConfigFile(file()), { warn: () => {} });
    expect(config.proxy.tunnelPort).toBe(8_081);
    expect(config.tunnel?.peer.publicKey).toBe(key);
  });

  test('a text that could write settings of its own is refused', () => {
    for (const change of [
      { url: 'javascript:alert(1)' },
      { url: 'https://x"\n[proxy]' },
      { token: '' },
      { ca_sha256: 'x' },
      { wg_public_key: 'A"\n' },
    ]) {
      expect(() => parseOnboarding(onboarding(change)), JSON.stringify(change)).toThrow('no onboarding string');
    }
  });

  test('any other text is refused, and never shown', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(() => parseOnboarding(`labmesh-node:1:${text}`)).toThrow('this is no onboarding string');
      }),
    );
  });
});

test('join says which keys to compare, and what permissive means (K2, Q7)', async () => {
  const tokenFile = join(folder, 'onboarding');
  writeFileSync(tokenFile, onboarding());
  let text = '';
  const flags = { tokenFile, config: file() } as LabmanFlags;
  expect(await joinVerb({ flags, words: [], print: (more) => void (text += more) })).toBe(0);
  expect(text).toContain(`hub        WireGuard ${key}\n`);
  expect(text).toContain('hub        Rosenpass sha256:dddddddd ');
  expect(text).toContain('whoever can drop UDP 9999 can force it to plain WireGuard\n');
});
