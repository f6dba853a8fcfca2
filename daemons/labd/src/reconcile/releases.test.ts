import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { releaseBytesMax } from '@labmesh/wire/fleet/releases';
import { Releases } from './releases.ts';

let dataDir: string;
let releases: Releases;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'labmesh-releases-'));
  releases = new Releases(dataDir);
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function put(version: string, content: string | Uint8Array, arch = 'x64', signature: string | null = 'c2ln\n'): string {
  const folder = join(dataDir, 'releases', version);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `lab-agent-linux-${arch}`);
  writeFileSync(path, content);
  if (signature !== null) writeFileSync(`${path}.sig`, signature);
  return path;
}
const sha256 = (content: string | Uint8Array) => new Bun.CryptoHasher('sha256').update(content).digest('hex');

test('AG-8 a release is its file, its hash and its signature, by version and machine', async () => {
  const content = Buffer.alloc(3 * 1024 * 1024 + 7, 'labmesh');
  const path = put('0.2.0', content);
  put('0.2.0', 'for another', 'arm64-musl', 'b3RoZXI=');
  expect(await releases.find('0.2.0', 'x64')).toEqual({
    version: '0.2.0',
    arch: 'x64',
    path,
    bytes: content.length,
    sha256: sha256(content),
    signature: 'c2ln',
  });
  expect(await releases.find('0.2.0', 'arm64-musl')).toMatchObject({
    sha256: sha256('for another'),
    signature: 'b3RoZXI=',
  });
  expect(await releases.find('0.2.0', 'arm64')).toBeUndefined();
  expect([releases.has('0.2.0'), releases.has('0.3.0')]).toEqual([true, false]);
});

test('a file that changes is read again; one that does not is read once', async () => {
  const path = put('0.2.0', 'first');
  const noon = new Date('2026-01-01T12:00:00Z');
  utimesSync(path, noon, noon);
  expect((await releases.find('0.2.0', 'x64'))?.sha256).toBe(sha256('first'));
  writeFileSync(path, 'FIRST');
  utimesSync(path, noon, noon);
  expect((await releases.find('0.2.0', 'x64'))?.sha256).toBe(sha256('first'));
  writeFileSync(path, 'another');
  expect((await releases.find('0.2.0', 'x64'))?.sha256).toBe(sha256('another'));
});

test('without signature, a folder in its place, or too large: there is none', async () => {
  put('0.2.0', 'x', 'x64', null);
  mkdirSync(join(dataDir, 'releases/0.3.0/lab-agent-linux-x64'), { recursive: true });
  writeFileSync(join(dataDir, 'releases/0.3.0/lab-agent-linux-x64.sig'), 'c2ln');
  truncateSync(put('0.4.0', ''), releaseBytesMax + 1);
  for (const version of ['0.2.0', '0.3.0', '0.4.0', '0.5.0'])
    expect(await releases.find(version, 'x64')).toBeUndefined();
});

test.each([
  ['..', 'x64'],
  ['../outside', 'x64'],
  ['0.2.0/../0.2.0', 'x64'],
  ['0.2.0', '../x64'],
  ['0.2.0', 'x64.sig'],
  ['', ''],
  ['0.2.0\0', 'x64'],
])('%j for %j names nothing outside of the folder', async (version, arch) => {
  put('0.2.0', 'x');
  mkdirSync(join(dataDir, 'outside'));
  symlinkSync(join(dataDir, 'releases/0.2.0/lab-agent-linux-x64'), join(dataDir, 'outside/lab-agent-linux-x64'));
  expect(await releases.find(version, arch)).toBeUndefined();
});
