import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPackage, foldersOf, type PackageContents } from './contents.ts';
import { debVersion, makeDeb } from './deb.ts';
import { rpmHeader } from './rpm-header.ts';
import { makeRpm, rpmVersion } from './rpm.ts';

const program = Buffer.from(`#!/bin/sh\necho lab-agent\n${'#'.repeat(100_001)}\n`);
const contents: PackageContents = agentPackage({
  version: '0.2.0-rc.1',
  arch: 'x64',
  program,
  releaseKey: 'ed25519:AAAA',
  builtAt: 1_766_275_200,
});
const paths = contents.files.map(({ path }) => path).toSorted();

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-packages-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write({ name, bytes }: { name: string; bytes: Uint8Array }): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
function tell(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, LC_ALL: 'C' } });
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${exitCode}\n${String(stdout)}${String(stderr)}`);
  return stdout.toString();
}

test('AG-11 folders of a package, parents first', () =>
  expect(
    foldersOf([
      { path: '/opt/a/b/c', bytes: program, mode: 0 },
      { path: '/opt/a/d', bytes: program, mode: 0 },
    ]),
  ).toEqual(['/opt', '/opt/a', '/opt/a/b']));

test('a version before a release sorts before it', () =>
  expect([debVersion('1.0.0-rc.1'), rpmVersion('1.0.0-rc-1'), debVersion('1.0.0')]).toEqual([
    '1.0.0~rc.1',
    '1.0.0~rc_1',
    '1.0.0',
  ]));

describe.skipIf(Bun.which('dpkg-deb') === null)('AG-11 .deb (needs dpkg-deb)', () => {
  let path: string;
  beforeAll(() => (path = write(makeDeb(contents))));

  test('says what it is', () => {
    expect(path).toEndWith('lab-agent_0.2.0~rc.1_amd64.deb');
    const info = tell('dpkg-deb', '-I', path);
    for (const text of ['Package: lab-agent', 'Version: 0.2.0~rc.1', 'Architecture: amd64', 'postinst', 'conffiles'])
      expect(info).toContain(text);
  });

  test('holds the files with their modes, as root', () => {
    const lines = tell('dpkg-deb', '-c', path).trim().split('\n');
    const files = lines.filter((line) => line.startsWith('-'));
    expect(files.map((line) => line.split(' ').at(-1)!.slice(1)).toSorted()).toEqual(paths);
    expect(lines.every((line) => line.includes('root/root'))).toBe(true);
    expect(files.find((line) => line.endsWith('/lab-agent'))).toStartWith('-rwxr-xr-x');
    expect(files.find((line) => line.endsWith('agent.toml'))).toStartWith('-rw-------');
  });

  test('unpacks to what went in', () => {
    const target = join(folder, 'deb');
    tell('dpkg-deb', '-x', path, target);
    expect(readFileSync(join(target, 'opt/labmesh/versions/0.2.0-rc.1/lab-agent')).equals(program)).toBe(true);
    expect(readFileSync(join(target, 'etc/labmesh/agent.toml'), 'utf8')).toContain('release_key = "ed25519:AAAA"');
  });
});

describe.skipIf(Bun.which('rpm') === null)('AG-11 .rpm (needs rpm)', () => {
  let path: string;
  beforeAll(() => (path = write(makeRpm(contents))));

  test('says what it is', () => {
    expect(path).toEndWith('lab-agent-0.2.0~rc.1-1.x86_64.rpm');
    expect(tell('rpm', '-qp', '--nosignature', path).trim()).toBe('lab-agent-0.2.0~rc.1-1.x86_64');
    const info = tell('rpm', '-qpi', '--nosignature', path);
    for (const text of ['lab-agent', '0.2.0~rc.1', 'MIT', 'x86_64']) expect(info).toContain(text);
    expect(tell('rpm', '-qp', '--nosignature', '--scripts', path)).toContain('postinstall scriptlet (using /bin/sh)');
    expect(tell('rpm', '-qpc', '--nosignature', path).trim()).toBe('/etc/labmesh/agent.toml');
  });

  test('its digests hold, of header and payload', () => {
    expect(tell('rpmkeys', '-Kv', '--nosignature', path).match(/digest: OK/g)?.length).toBeGreaterThanOrEqual(3);
    const bytes = Buffer.from(readFileSync(path));
    bytes[bytes.length - 2_000] = (bytes[bytes.length - 2_000] ?? 0) ^ 1;
    const torn = write({ name: 'torn.rpm', bytes });
    expect(() => tell('rpmkeys', '-K', '--nosignature', torn)).toThrow();
  });

  test('lists the files', () => {
    expect(tell('rpm', '-qpl', '--nosignature', path).trim().split('\n').toSorted()).toEqual(paths);
    expect(tell('rpm', '-qplv', '--nosignature', path)).toContain('-rwxr-xr-x');
  });

  test.skipIf(process.getuid?.() !== 0)('installs and goes again (needs root)', () => {
    const target = join(folder, 'rpm');
    const db = ['--root', target, '--dbpath', '/db', '--nodeps', '--noscripts'];
    mkdirSync(join(target, 'db'), { recursive: true });
    tell('rpm', ...db, '--nosignature', '--ignorearch', '-i', path);
    const installed = join(target, 'opt/labmesh/versions/0.2.0-rc.1/lab-agent');
    expect(readFileSync(installed).equals(program)).toBe(true);
    expect(statSync(installed).mode & 0o777).toBe(0o755);
    tell('rpm', ...db, '-e', 'lab-agent');
    expect(existsSync(installed)).toBe(false);
  });
});

test('the header of an rpm: region first, values aligned, its own end last', () => {
  const header = Buffer.from(
    rpmHeader(63, [
      [1000, { text: 'ab' }],
      [1001, { int32: [7] }],
      [1002, { int16: [1, 2] }],
    ]),
  );
  expect(header.subarray(0, 8).toString('hex')).toBe('8eade80100000000');
  expect([header.readUInt32BE(8), header.readUInt32BE(12)]).toEqual([4, 4 + 4 + 4 + 16]);
  expect(header.readUInt32BE(16)).toBe(63);
  expect(header.readUInt32BE(16 + 16 + 16 + 8)).toBe(4); // the int32 stands at the next multiple of four
  expect(header.readInt32BE(header.length - 8)).toBe(-64);
});

describe('the scripts, run in a folder of their own', () => {
  const place = (text: string, root: string) => text.replaceAll(/(?<=[\s"])\/(opt|usr)\//g, `${root}/$1/`);
  const run = (text: string, root: string) =>
    tell('/bin/sh', '-ec', place(text, root).replaceAll('/run/systemd/system', '/nowhere'));

  test('flip both links to the version, over older ones, and take all away', () => {
    const root = join(folder, 'scripts');
    mkdirSync(join(root, 'opt/labmesh/versions/0.2.0-rc.1'), { recursive: true });
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    for (let n = 0; n < 2; n++) run(contents.scripts.installed, root);
    for (const link of ['current', 'confirmed'])
      expect(readlinkSync(join(root, 'opt/labmesh', link))).toBe('versions/0.2.0-rc.1');
    expect(lstatSync(join(root, 'usr/bin/lab-agent')).isSymbolicLink()).toBe(true);
    run(contents.scripts.removed, root);
    expect(existsSync(join(root, 'opt/labmesh'))).toBe(false);
  });
});
