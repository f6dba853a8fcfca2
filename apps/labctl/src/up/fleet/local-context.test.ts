import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localContext, writeContext } from './local-context.ts';

const pin = (digit: string) => `sha256:${digit.repeat(64)}`;
const labd = { url: 'https://127.0.0.1:3100', pins: pin('a') };
const dataDir = '/srv/mesh';

let home: string;
let env: { HOME: string };
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'labctl-context-'));
  env = { HOME: home };
});
afterEach(() => rmSync(home, { recursive: true }));

const path = () => join(home, '.labctl', 'config.yaml');
const text = () => readFileSync(path(), 'utf8');
function write(yaml: string): void {
  mkdirSync(join(home, '.labctl'), { recursive: true });
  writeFileSync(path(), yaml, { mode: 0o600 });
}
const context = (url: string, caPin: string) =>
  `contexts:\n  local:\n    labd:\n      url: ${url}\n      caPin: ${caPin}\n`;

describe('the name of the context', () => {
  test('is local where nobody has it', async () => expect(await localContext(env, labd, dataDir)).toBe('local'));

  test('is local where it is ours: by the CA, or by the address', async () => {
    write(context('https://127.0.0.1:4567', `${pin('b')},${pin('a')}`));
    expect(await localContext(env, labd, dataDir)).toBe('local');
    write(context(labd.url, pin('c')));
    expect(await localContext(env, labd, dataDir)).toBe('local');
  });

  test('is local where a labd of this machine left it behind', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    write(context(`https://127.0.0.1:${port}`, pin('c')));
    const beside = await localContext(env, labd, dataDir);
    expect(beside).toMatch(/^local-[0-9a-f]{6}$/);
    // Another folder's is another; the same folder's stays the same.
    expect(await localContext(env, labd, dataDir)).toBe(beside);
    expect(await localContext(env, labd, '/srv/other')).not.toBe(beside);
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    expect(await localContext(env, labd, dataDir)).toBe('local');
  });

  test('a context of that name for another machine is left alone', async () => {
    write(context('https://lab.example:3100', pin('c')));
    expect(await localContext(env, labd, dataDir)).toMatch(/^local-/);
  });

  test('a broken file is told, and not written over', async () => {
    write('contexts: [1, 2]\n');
    expect(await thrower(localContext(env, labd, dataDir))).toThrow('config.yaml:1');
    expect(() => writeContext(env, 'local', labd)).toThrow('config.yaml:1');
    expect(text()).toBe('contexts: [1, 2]\n');
  });
});

describe('writing the context', () => {
  test('CT-3 makes the file, 0600, and puts the context in force where none is', () => {
    expect(writeContext(env, 'local', labd)).toBe(true);
    expect(text()).toBe(`${context(labd.url, labd.pins)}currentContext: local\n`);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, '.labctl')).mode & 0o777).toBe(0o700);
  });

  test('never takes the place of another one', () => {
    write('# mine\ncurrentContext: prod\ncontexts:\n  prod:\n    labd:\n      url: https://lab.example:3100\n');
    expect(writeContext(env, 'local', labd)).toBe(false);
    expect(text()).toStartWith('# mine\ncurrentContext: prod\n');
    expect(text()).toContain(`  local:\n    labd:\n      url: ${labd.url}\n`);
    // Somebody without contexts has their labd at the top.
    write('labd:\n  url: https://lab.example:3100\n');
    expect(writeContext(env, 'local', labd)).toBe(false);
    expect(text()).not.toContain('currentContext');
  });

  test('says whether it is in force, and writes only what changed', () => {
    writeContext(env, 'local', labd);
    const before = statSync(path()).mtimeMs;
    expect(writeContext(env, 'local', labd)).toBe(true);
    expect(statSync(path()).mtimeMs).toBe(before);
    expect(writeContext(env, 'local', { ...labd, url: 'https://127.0.0.1:3999' })).toBe(true);
    expect(text()).toContain('url: https://127.0.0.1:3999');
    expect(text()).not.toContain(':3100');
  });

  test('CT-4 LABCTL_CONFIG names another file', () => {
    const other = join(home, 'other.yaml');
    expect(writeContext({ ...env, LABCTL_CONFIG: other }, 'local', labd)).toBe(true);
    expect(readFileSync(other, 'utf8')).toContain('currentContext: local');
  });
});
