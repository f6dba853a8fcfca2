import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '@labmesh/kit/config-file';
import { OptionsError } from '@labmesh/kit/options';
import { readArenaSettings } from './arena-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-tool-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'docs.token'), 'a-long-secret\n');
writeFileSync(join(folder, 'two.token'), 'a-long-secret\nanother');

const read = (toml: string, env: Record<string, string> = {}) =>
  readArenaSettings(parseConfig(join(folder, 'labmesh.toml'), toml), env).tools;
const server = (lines: string, name = 'docs') => `[arena.tools.servers.${name}]\n${lines}`;
const url = 'url = "https://docs.example:8443/mcp?tenant=1"';

test('without any, the bounds of AR18', () => {
  expect(read('')).toEqual({
    servers: [],
    rounds: 8,
    calls: 32,
    timeoutMs: 30_000,
    atOnce: 64,
    cacheEntries: 8_192,
    cacheMs: 600_000,
  });
});

test('a server with all that can be said of it; a file stands beside the settings', () => {
  const more = 'token_file = "docs.token"\nallow = ["a*"]\nblock = ["b"]\ntenants = ["acme"]';
  const { servers, rounds } = read(`[arena.tools]\nrounds = 2\n${server(`${url}\n${more}`)}`);
  expect(rounds).toBe(2);
  expect(servers).toEqual([
    {
      name: 'docs',
      origin: { host: 'docs.example', port: 8443, tls: true },
      path: '/mcp?tenant=1',
      token: 'a-long-secret',
      allow: ['a*'],
      block: ['b'],
      tenants: ['acme'],
    },
  ]);
  const [local] = read(server('url = "http://[::1]:9/mcp"\ntoken_env = "DOCS_TOKEN"'), {
    DOCS_TOKEN: 'another-secret',
  }).servers;
  expect([local?.origin, local?.token, local?.tenants]).toEqual([
    { host: '::1', port: 9, tls: false },
    'another-secret',
    ['*'],
  ]);
});

describe('what is refused, with its place and without address or secret', () => {
  test.each([
    [server('allow = []'), 'url: is missing'],
    [server('url = "http://docs.example/mcp"'), 'over https://'],
    [server('url = "https://169.254.169.254/mcp"'), 'never a tool server'],
    [server('url = "https://metadata.google.internal/mcp"'), 'never a tool server'],
    [server('url = "https://me:hidden-word@docs.example/"'), 'holds a user'],
    [server('url = "file:///etc/passwd"'), 'is no address of HTTP'],
    [server(`${url}\ntoken_file = "none.token"`), 'cannot be read (ENOENT)'],
    [server(`${url}\ntoken_file = "two.token"`), 'expected one word'],
    [server(`${url}\ntoken_env = "UNSET_TOKEN"`), 'expected one word'],
    [server(`${url}\ntoken_env = "lower"`), 'the name of a variable'],
    [server(`${url}\ntoken_file = "docs.token"\ntoken_env = "A"`), 'stands beside'],
    [server(`${url}\ncommand = "npx"`), 'unknown key'],
    [server(url, 'Docs'), 'its name is'],
    ['[arena.tools]\nservers = []', 'at most 32 tables'],
    ['[arena.tools]\nround = 1', 'unknown key'],
  ])('%j', (toml, why) => {
    try {
      read(toml);
    } catch (error) {
      expect(error).toBeInstanceOf(OptionsError);
      const { exitCode, message } = error as OptionsError;
      expect([exitCode, message.includes(why)]).toEqual([3, true]);
      expect(message).not.toMatch(/8443|hidden-word|a-long-secret|169\.254|passwd/);
      return;
    }
    throw new Error('it was taken');
  });
});
