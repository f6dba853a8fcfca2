import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contractVersion } from '@labmesh/wire/contract-version';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import { removeCredentials, saveCredentials } from '../credentials/credentials.ts';
import { startFakeLabd } from '../testing/fake-labd.ts';
import { failed, type FleetGround, openFleetGround, quickClock } from '../testing/fleet-ground.ts';
import { at, caStatus, health, id } from '../testing/fleet-samples.ts';
import { testWorld } from '../testing/test-world.ts';
import { checkFleet } from './check-fleet.ts';

let ground: FleetGround;
const env = () => ({ HOME: ground.home });
const who = (changes: object = {}) => ({
  principal: { kind: 'user', id: id(3), name: 'alice' },
  groups: [],
  roles: ['operator'],
  method: 'certificate',
  expiresAt: at(60),
  serial: 'ab',
  ...changes,
});
const ready = { status: 'ok', checks: { database: 'ok', migrations: 'ok', ca: 'ok', audit: 'ok' } };

/** All is well again. */
function mend(): void {
  ground.on('GET /api/version', { version: '0.1.0', contract: contractVersion });
  ground.on('GET /health/ready', ready);
  ground.on('GET /api/auth/whoami', who());
  ground.on('GET /api/ca', caStatus());
  ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  set({ 'labd.url': ground.labd.url, 'labd.caPin': ground.pin });
  chmodSync(configPath(env()), 0o600);
}
function set(values: Record<string, string | undefined>): void {
  const file = ConfigFile.open(configPath(env()));
  for (const [key, value] of Object.entries(values)) file.set(key.split('.'), value);
  file.save();
}
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(async () => {
  rmSync(join(ground.home, '.labctl'), { recursive: true });
  await ground.login();
  mend();
  ground.labd.asked.length = 0;
});

/** Findings by name, in their order. */
async function findings(more: Record<string, string> = {}, wall = () => Date.now()) {
  const world = testWorld({ env: { ...env(), ...more }, clock: { ...quickClock, wall } });
  const found = await checkFleet(world, undefined);
  for (const { state, fix } of found) expect(state === 'ok' || (fix ?? '') !== '').toBe(true);
  return new Map(found.map((finding) => [finding.name, finding]));
}
/** What is not ok, as `name: text → fix`. */
async function faults(more?: Record<string, string>, wall?: () => number) {
  const found = await findings(more, wall);
  return [...found.values()]
    .filter(({ state }) => state !== 'ok')
    .map(({ name, state, text, fix }) => `${state} ${name}: ${text} → ${fix ?? ''}`);
}

describe('doctor of the fleet', () => {
  test('nothing is said where no labd is set up', async () => {
    rmSync(join(ground.home, '.labctl'), { recursive: true });
    expect(await findings()).toEqual(new Map());
    await ground.login();
    set({ output: 'wide' });
    expect([...(await findings()).values()].map(({ state }) => state)).toEqual(['ok', 'ok']);
  });

  test('all is well, step by step', async () => {
    const found = await findings();
    expect([...found.values()].map(({ name, state }) => `${state} ${name}`)).toEqual(
      ['labctl config', 'labd url', 'login', 'labd dns', 'labd tcp', 'CA pin', 'labd tls']
        .concat(['labd clock', 'labd version', 'labd ready', 'whoami'])
        .map((name) => `ok ${name}`),
    );
    expect(found.get('whoami')?.text).toBe('user:alice, operator');
  });
});

describe('acceptance 14: doctor names the cause in broken set-ups', () => {
  test('1. a wrong value in config.yaml, with its line', async () => {
    writeFileSync(configPath(env()), 'labd:\n  url: http://lab.example\n', { mode: 0o600 });
    expect(await faults()).toEqual([
      expect.stringMatching(/^fail labctl config: .*config\.yaml:2: labd\.url: found "http:\/\/lab\.example"/),
    ]);
  });

  test('2. files that others may read or write', async () => {
    chmodSync(join(ground.home, '.labctl/credentials/default.pem'), 0o644);
    const [config, login] = await faults();
    expect(config).toContain('warn labctl config: ');
    expect(config).toContain('default.pem is open to others (mode 644) → chmod 600');
    expect(login).toContain('fail login: ');
    chmodSync(configPath(env()), 0o666);
    expect((await faults())[0]).toContain('may be written by others');
  });

  test('3. a host name that nobody knows', async () => {
    set({ 'labd.url': 'https://labd.invalid:3100' });
    expect(await faults()).toEqual([expect.stringContaining('fail labd dns: labd.invalid is not known')]);
  });

  test('4. nothing listens there', async () => {
    set({ 'labd.url': 'https://127.0.0.1:1' });
    expect(await faults()).toEqual([
      expect.stringMatching(/^fail labd tcp: 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\) → is labd running/),
    ]);
  });

  test('5. something there that speaks no TLS, or says nothing at all', async () => {
    const http = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    set({ 'labd.url': `https://127.0.0.1:${(http.address() as AddressInfo).port}` });
    expect(await faults()).toEqual([expect.stringContaining('fail labd tls: there is no TLS 1.3')]);
    http.close();
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    set({ 'labd.url': `https://127.0.0.1:${(silent.address() as AddressInfo).port}`, timeout: '300ms' });
    expect(await faults()).toEqual([expect.stringContaining('fail labd tls: there is no TLS 1.3 (ETIMEDOUT)')]);
    silent.close();
  });

  test('6. another pin than the CA has', async () => {
    const pin = `sha256:${'0'.repeat(64)}`;
    set({ 'labd.caPin': pin });
    expect(await faults()).toEqual([
      expect.stringContaining(`fail CA pin: labd.caPin is ${pin}, the CA has ${ground.pin}`),
    ]);
    set({ 'labd.caPin': undefined });
    expect(await faults()).toEqual([expect.stringContaining('warn CA pin: labd.caPin is not set')]);
  });

  test('7. a labd of another CA, as after a new installation', async () => {
    const ca = await sampleCa();
    await using other = await startFakeLabd(() => ({ text: ca.bundlePem }), { ca, leaf: await ca.leaf('labd', 'r') });
    set({ 'labd.url': other.url });
    expect(await faults()).toEqual([expect.stringContaining('fail labd tls: its certificate is refused')]);
  });

  test('8. a service of the fleet that is not labd, and one whose certificate has ended', async () => {
    const { ca } = ground.labd;
    await using agent = await startFakeLabd(() => ({}), {
      ca,
      leaf: await ca.leaf('agent', id(2), { notAfter: Date.now() + 3_600_000 }),
    });
    set({ 'labd.url': agent.url });
    expect(await faults()).toEqual([
      expect.stringMatching(/^fail labd tls: its certificate is refused: (?!.*expired)/),
    ]);
    const ended = await ca.leaf('labd', 'r', { notBefore: Date.now() - 7_200_000, notAfter: Date.now() - 3_600_000 });
    await using old = await startFakeLabd(() => ({}), { ca, leaf: ended });
    set({ 'labd.url': old.url });
    expect(await faults()).toEqual([expect.stringMatching(/^fail labd tls: .* → labd renews its own certificate/)]);
  });

  test('9. nobody is logged in, and what can be checked without a login still is', async () => {
    await removeCredentials(env(), 'default');
    expect(await faults()).toEqual([
      `fail login: nobody is logged in to context default → labctl login ${ground.labd.url}`,
    ]);
    expect((await findings()).get('labd ready')?.state).toBe('ok');
    expect(ground.asked().some((path) => path.includes('whoami'))).toBe(false);
  });

  test('10. a login that has ended, or ends soon and was not renewed', async () => {
    await ground.login(-15, -3);
    expect(await faults()).toEqual([expect.stringContaining('fail login: it ended 3h ago → labctl login')]);
    await ground.login(-10, 2);
    expect(await faults()).toEqual([expect.stringContaining('and was not renewed')]);
  });

  test('11. clocks that do not agree', async () => {
    const behind = () => Date.now() - 20 * 60_000;
    const found = await faults({}, behind);
    expect(found).toEqual([
      expect.stringMatching(/^fail labd clock: labd's clock is (?:19|20)m ahead of ours → run a time/),
    ]);
    const ahead = () => Date.now() + 2 * 60_000;
    expect(await faults({}, ahead)).toEqual([
      expect.stringMatching(/^warn labd clock: labd's clock is [12]m behind ours/),
    ]);
    await ground.login(0.5, 11);
    expect((await faults())[0]).toContain('fail login: the certificate is valid in 29m only');
  });

  test('12. versions that do not speak with each other', async () => {
    ground.on('GET /api/version', { version: '9.0.0', contract: contractVersion + 1 });
    expect(await faults()).toEqual([expect.stringMatching(/^fail labd version: labd 9\.0\.0, .* → update labctl$/)]);
    ground.on('GET /api/version', { version: '0.0.1', contract: contractVersion - 1 });
    expect(await faults()).toEqual([expect.stringContaining('→ update labd')]);
  });

  test('13. the address of the agents’ listener, or of something else', async () => {
    ground.on('GET /api/version', () => failed('WRONG_LISTENER', 421));
    expect(await faults()).toEqual([
      expect.stringMatching(/^fail labd version: no labd answers there \(status 421\) → labd\.url must be/),
    ]);
  });

  test('14. a labd without its database', async () => {
    const checks = { ...ready.checks, database: 'down', audit: 'down' };
    ground.on('GET /health/ready', () => ({ status: 503, json: { status: 'down', checks } }));
    expect(await faults()).toEqual([
      expect.stringMatching(/^fail labd ready: database is down, audit is down → is the database of labd running/),
    ]);
    const stopped = { ...ready.checks, audit: 'stopped' };
    ground.on('GET /health/ready', () => ({ status: 503, json: { status: 'down', checks: stopped } }));
    expect(await faults()).toEqual([expect.stringMatching(/^fail labd ready: audit is stopped → two labds have one/)]);
    ground.on('GET /health/ready', () => ({ status: 503, text: '' }));
    expect(await faults()).toEqual([expect.stringContaining('it does not say (status 503)')]);
  });

  test('15. an identity that was revoked, or holds no role', async () => {
    // As labd does: a revoked certificate is refused on every route, public ones too.
    for (const route of ['/api/version', '/health/ready', '/api/auth/whoami', '/api/ca']) {
      const fine = route === '/api/version' ? { version: '0.1.0', contract: contractVersion } : ready;
      ground.on(`GET ${route}`, ({ peer }) => (peer === undefined ? { json: fine } : failed('REVOKED', 403)));
    }
    expect(await faults()).toEqual([expect.stringContaining('fail whoami: REVOKED was said (REVOKED) → labctl login')]);
    ground.on('GET /api/auth/whoami', who({ roles: [] }));
    expect(await faults()).toEqual([expect.stringContaining('warn whoami: user:alice holds no role')]);
  });

  test('16. keys of the CA that end soon (CA-12); who may not ask is told nothing', async () => {
    ground.on('GET /api/ca', caStatus({ warnings: ['root x ends soon'] }));
    expect(await faults()).toEqual([expect.stringContaining('warn CA: root x ends soon → labctl ca status')]);
    ground.on('GET /api/ca', () => failed('PERMISSION_DENIED', 403));
    expect(await faults()).toEqual([]);
  });

  test('recordings that cannot be written, and a bucket that is away', async () => {
    const recordings = (failing: boolean, archive: object | null) =>
      ground.on('GET /health/detailed', health({ recordings: { failing, archive } }));
    recordings(false, { state: 'ok', why: null, waiting: 1 });
    expect(await faults()).toEqual([]);
    recordings(true, null);
    expect(await faults()).toEqual([expect.stringContaining('fail recordings: labd cannot write recordings')]);
    recordings(false, { state: 'away', why: 'HTTP_503', waiting: 7 });
    expect(await faults()).toEqual([expect.stringContaining('the bucket is away (HTTP_503); 7 parts wait')]);
    ground.on('GET /health/detailed', () => failed('PERMISSION_DENIED', 403));
    expect(await faults()).toEqual([]);
  });

  test('17. a labd that stops answering', async () => {
    set({ timeout: '400ms' });
    ground.on('GET /health/ready', () => undefined);
    expect(await faults()).toEqual([expect.stringContaining('fail labd ready: it stopped answering')]);
    set({ timeout: undefined });
  });

  test('18. a context that was never set up', async () => {
    expect(await faults({ LABCTL_CURRENT_CONTEXT: 'prod' })).toEqual([
      expect.stringContaining('fail labctl config: LABCTL_CURRENT_CONTEXT: there is no context "prod"'),
    ]);
  });
});

test('a login of another machine’s folder is no reason to look at this one', async () => {
  const home = mkdtempSync(join(tmpdir(), 'labctl-doctor-'));
  const leaf = await ground.labd.ca.leaf('user', id(3));
  const { chainPem, bundlePem } = ground.labd.ca;
  const { certificatePem } = leaf;
  await saveCredentials({ HOME: home }, 'default', {
    privatePem: leaf.key.privatePem,
    certificatePem,
    chainPem,
    bundlePem,
  });
  expect(await findings({ HOME: home })).toEqual(new Map());
  rmSync(home, { recursive: true });
});
