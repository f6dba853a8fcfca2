/** labctl login at an identity provider (ID-4): a real provider, a real labd, and a browser that fills in forms. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startIssuer, TestBrowser, testClient, type TestIssuer } from '@labmesh/labd/login/testing/oidc-issuer';
import { Daemon, type RunningLabd, startLabd } from './harness/start-labd.ts';

setDefaultTimeout(60_000);
const labctlMain = resolve(import.meta.dir, '../apps/labctl/src/main.ts');
let folder: string;
let issuer: TestIssuer;
let labd: RunningLabd;
let pin: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'labctl-oidc-'));
  const secret = join(folder, 'client-secret');
  writeFileSync(secret, `${testClient.clientSecret}\n`, { mode: 0o600 });
  issuer = await startIssuer();
  issuer.accounts.set('sub-1', { preferred_username: 'Alice', groups: ['sre'] });
  const login = ['[login]', 'methods = ["token", "oidc"]', '[login.oidc]', `issuer = "${issuer.url}"`];
  const client = [`client_id = "${testClient.clientId}"`, `client_secret_file = "${secret}"`];
  labd = await startLabd({ toml: [...login, ...client].join('\n') });
  const { items } = await labd.call<{ items: { name: string }[] }>('GET', '/api/roles');
  expect(items.map(({ name }) => name)).toContain('viewer');
  await labd.call('POST', '/api/bindings', { subjectKind: 'group', subject: 'sre', role: 'viewer' });
  pin = (await (await fetch('http://labd/ca/pin', { unix: labd.socket })).text()).trim();
});
afterAll(async () => {
  await labd?.[Symbol.asyncDispose]();
  await issuer?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** labctl while it waits for the browser. */
function start(home: string, ...flags: string[]): Daemon {
  const words = ['login', labd.api, '--ca-pin', pin, ...flags];
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8' };
  return new Daemon([process.execPath, labctlMain, ...words], { cwd: folder, env });
}
const whoami = async (home: string) =>
  JSON.parse((await labd.labctlWith({ home }, 'whoami', '-o', 'json')).stdout) as object;

test('--oidc: the browser comes back to the loopback listener, and the groups bind', async () => {
  const home = join(folder, 'code');
  await using labctl = start(home, '--oidc', '--no-browser');
  const url = (await labctl.says(issuer.url)).trim();
  const end = await new TestBrowser(issuer, 'sub-1').go(url);
  if (!('left' in end)) throw new Error(end.page);
  expect(end.left.hostname).toBe('127.0.0.1');
  expect(await (await fetch(end.left)).text()).toContain('You can close this page');
  expect(await labctl.exited).toBe(0);
  expect(labctl.said).toContain(`logged in to ${labd.api} as alice`);
  expect(await whoami(home)).toMatchObject({ principal: { name: 'alice' }, method: 'certificate', groups: ['sre'] });
  expect((await labd.labctlWith({ home }, 'auth', 'can-i', 'list', 'servers')).exitCode).toBe(0);
});

test('--device: a code that is typed elsewhere', async () => {
  const home = join(folder, 'device');
  await using labctl = start(home, '--device');
  const line = await labctl.says('or open');
  const end = await new TestBrowser(issuer, 'sub-1').go(/https?:\S+/.exec(line)?.[0] ?? '');
  expect('page' in end ? end.page : String(end.left)).not.toContain('error');
  expect(await labctl.exited).toBe(0);
  expect(await whoami(home)).toMatchObject({ principal: { name: 'alice' } });
});
