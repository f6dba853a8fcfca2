import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { addressOf, type ArenaDaemonOptions, gatewayUrlOf, readToken } from './arena-daemon-options.ts';
import { readArenaSettings, readDaemonSettings } from './arena-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-arena-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

const options = (arena: Record<string, unknown> = {}, ...argv: string[]): ArenaDaemonOptions =>
  readDaemonSettings({ path: 'labmesh.toml', data: { arena } }, { argv, env: {} }).values;

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof OptionsError) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('where it listens', () => {
  const tls = { cert_file: '/c', key_file: '/k', ca_file: '/a' };
  test.each([
    [{}, { host: '127.0.0.1', port: 8081, tls: undefined }],
    [{ listen: '[::1]:9' }, { host: '::1', port: 9, tls: undefined }],
    [
      { listen: ':9', ...tls },
      { host: '0.0.0.0', port: 9, tls: { certFile: '/c', keyFile: '/k', caFile: '/a' } },
    ],
    [{ socket: '/run/a.sock' }, { socketPath: '/run/a.sock' }],
  ])('%j', (arena, address) => expect(addressOf(options(arena))).toEqual(address));

  test.each([
    [{ socket: '/a', listen: '127.0.0.1:1' }, 'not both'],
    [{ listen: 'arena.example:1' }, 'expected an address'],
    [{ cert_file: '/c', key_file: '/k' }, 'go together'],
    [{ ca_file: '/a' }, 'go together'],
  ])('%j is refused', (arena, why) => expect(refusalOf(() => addressOf(options(arena)))).toContain(why));
});

describe('the gateway', () => {
  test.each([
    ['http://127.0.0.1:8080/v1', 'http://127.0.0.1:8080'],
    ['https://gw.example/', 'https://gw.example'],
  ])('%s', (url, base) => expect(gatewayUrlOf(options({ gateway_url: url }))).toBe(base));
  test.each([
    ['http://10.0.0.1:8080', 'https://'],
    ['http://localhost.evil.example', 'https://'],
    ['gw:8080', 'expected'],
  ])('%s is refused', (url, why) =>
    expect(refusalOf(() => gatewayUrlOf(options({ gateway_url: url })))).toContain(why),
  );
});

describe('the secret', () => {
  const written = (text: string) => {
    const file = join(folder, 'secret');
    writeFileSync(file, text);
    return file;
  };
  test('is one line, as the gateway makes it', () => {
    const secret = `lmi_${'x'.repeat(43)}`;
    expect(readToken(options({}, '--token-file', written(`${secret}\n`)))).toBe(secret);
  });
  test.each([
    ['', 'expected one line'],
    ['short', 'expected one line'],
    [`lmk_${'x'.repeat(43)}`, 'expected one line'],
    [`${'x'.repeat(40)}\n${'y'.repeat(40)}`, 'expected one line'],
  ])('%j is none, and is not repeated', (text, why) => {
    const said = refusalOf(() => readToken(options({}, '--token-file', written(text))));
    expect(said).toContain(why);
    if (text !== '') expect(said).not.toContain(text);
  });
  test('is needed', () => {
    expect(refusalOf(() => readToken(options()))).toContain('internal_key_file');
    expect(refusalOf(() => readToken(options({ token_file: join(folder, 'none') })))).toContain('there is no');
  });
});

test('flags win over the file; tables of others are theirs, unknown keys of its own are told', () => {
  const file = { path: 'labmesh.toml', data: { gateway: { anything: 1 }, arena: { data_dir: '/d', capture: ['a'] } } };
  const { values, settings } = readDaemonSettings(file, {
    argv: ['--data', '/e'],
    env: { DATABASE_URL: 'sqlite:///x' },
  });
  expect([values.dataDir, values.databaseUrl, settings.runs.capture]).toEqual(['/e', 'sqlite:///x', ['a']]);
  expect(refusalOf(() => options({ listn: ':1' }))).toContain('did you mean');
  // The arena inside `labctl up` listens nowhere: it would be a mistake there.
  expect(refusalOf(() => readArenaSettings({ path: 'f', data: { arena: { listen: ':1' } } }, {}))).toContain('listen');
});
