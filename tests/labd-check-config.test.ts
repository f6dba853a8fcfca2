/** LD-8 over the program itself: what `check-config` calls good starts, and what it refuses leaves nothing behind. */
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { environment, run, startLabd } from './harness/start-labd.ts';

const labdMain = resolve(import.meta.dir, '../daemons/labd/src/main.ts');
const testMs = 90_000;
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A labd of these lines that is told to do this, in a folder of its own. */
async function labd(command: string, toml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-config-'));
  folders.push(folder);
  const lines = [
    '[labd]',
    'listen = "127.0.0.1:0"',
    'agent_listen = "127.0.0.1:0"',
    'metrics_listen = ""',
    `admin_socket = "${join(folder, 'a.sock')}"`,
    `data_dir = "${join(folder, 'data')}"`,
    toml,
  ];
  writeFileSync(join(folder, 'labmesh.toml'), `${lines.join('\n')}\n`);
  const words = [process.execPath, labdMain, command, '--config', 'labmesh.toml'];
  const done = await run(words, { cwd: folder, env: environment(folder) });
  // The runtime keeps a cache of its own in the home folder.
  return { ...done, left: readdirSync(folder).filter((name) => name !== '.bun') };
}

describe('settings that cannot work', () => {
  test.each([
    ['an unknown sink', '[audit]\nsinks = ["ftp://x"]', 'labd: audit.sinks[0]: ftp: is no sink'],
    ['recordings nowhere', '[recordings]\nurl = "ftp://x"', 'labd: recordings.url: is file:<folder> or s3://'],
    [
      'no certificate',
      'public_url = "https://labd.test"\ntls_cert_file = "/nope"\ntls_key_file = "/nope"',
      'labd: labd.tls_cert_file: /nope cannot be read (ENOENT)',
    ],
    ['no provider', '[login]\nmethods = ["oidc"]', 'labd: login.oidc.issuer: is needed'],
  ])(
    '%s: check-config and run say the same, and nothing is made',
    async (_what, toml, message) => {
      const [checked, started] = [await labd('check-config', toml), await labd('run', toml)];
      for (const { exitCode, stderr, left } of [checked, started]) {
        expect(exitCode).toBe(3);
        expect(stderr).toStartWith(message);
        expect(stderr).not.toMatch(/^\s+at /m);
        // No schema, key or CA, and no socket.
        expect(left).toEqual(['labmesh.toml']);
      }
    },
    testMs,
  );
});

test(
  'what is good: check-config makes nothing, and run starts with it',
  async () => {
    const { exitCode, stdout, left } = await labd('check-config', '[conplane]\nlisten = "127.0.0.1:0"');
    expect([exitCode, stdout, left]).toEqual([0, 'the settings are good\n', ['labmesh.toml']]);
    await using started = await startLabd({ toml: '[limits]\npage_max = 50\n[hub]\nframe_max = "64KiB"' });
    expect(existsSync(join(started.folder, 'data', 'labd.db'))).toBe(true);
  },
  testMs,
);
