import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsr } from '@labmesh/pki/csr';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import type { CommandError } from '../command-error.ts';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import { Settings } from '../config/settings.ts';
import { readCredentials, saveCredentials } from '../credentials/credentials.ts';
import { type Answerer, type FakeLabd, startFakeLabd, startFakeSocket } from '../testing/fake-labd.ts';
import { testWorld } from '../testing/test-world.ts';
import { adminSocketPath } from './admin-socket-path.ts';
import { openLabd } from './open-labd.ts';

const home = mkdtempSync(join(tmpdir(), 'labctl-open-'));
const env = { HOME: home };
const userId = '01900000-0000-7000-8000-00000000000a';
const hour = 3_600_000;
let labd: FakeLabd;
let pin: string;
beforeAll(async () => {
  // Long enough ago for a certificate that is past half its life.
  const ca = await sampleCa(Date.now() - 24 * hour);
  labd = await startFakeLabd(() => ({}), {
    ca,
    leaf: await ca.leaf('labd', 'replica-1', { notAfter: Date.now() + hour }),
  });
  pin = `sha256:${labd.ca.root.certificate.keyHash}`;
});
afterAll(async () => {
  await labd[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  rmSync(join(home, '.labctl'), { recursive: true, force: true });
  labd.asked.length = 0;
  const file = ConfigFile.open(configPath(env));
  file.set(['contexts', 'prod', 'labd', 'url'], labd.url);
  file.set(['contexts', 'prod', 'labd', 'caPin'], pin);
  file.set(['currentContext'], 'prod');
  file.save();
});

const version: Answerer = () => ({ json: { version: '1', contract: 1 } });

/** Logged in with a certificate that lived from `from` to `to`, hours from now. */
async function login(from: number, to: number): Promise<string> {
  const now = Date.now();
  const leaf = await labd.ca.leaf('user', userId, { notBefore: now + from * hour, notAfter: now + to * hour });
  const { chainPem, bundlePem } = labd.ca;
  await saveCredentials(env, 'prod', {
    privatePem: leaf.key.privatePem,
    certificatePem: leaf.certificatePem,
    chainPem,
    bundlePem,
  });
  return leaf.key.keyHash;
}

/** Answers `renew` as labd does, and all else with its version. */
const renewing =
  (caPin: string): Answerer =>
  async ({ path, body }) => {
    if (path !== '/api/auth/renew') return { json: { version: '1', contract: 1 } };
    const { spki, keyHash } = parseCsr((JSON.parse(body) as { csrPem: string }).csrPem);
    const { certificatePem } = await labd.ca.leaf('user', userId, { spki, keyHash, notAfter: Date.now() + 12 * hour });
    const times = { expiresAt: '2026-01-01T00:00:00.000Z', renewAfter: '2026-01-01T00:00:00.000Z' };
    return { json: { certificatePem, chainPem: labd.ca.chainPem, caPem: labd.ca.bundlePem, caPin, ...times } };
  };

async function ask(answer: Answerer, local = false, more: Record<string, string> = {}) {
  labd.answer = answer;
  const notes: string[] = [];
  // The certificates are judged by the real time: TLS knows no other.
  const clock = { now: () => performance.now(), wall: () => Date.now(), sleep: () => Promise.resolve() };
  const world = testWorld({ env: { ...env, ...more }, clock });
  const settings = new Settings({ env: world.env });
  using client = await openLabd({ world, settings, local, note: (text) => void notes.push(text) });
  return { answer: await client.call('get-version'), notes };
}
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: CommandError) => error,
  );

describe('a client of the labd in force (CT-5)', () => {
  test('a fresh certificate is shown as it is', async () => {
    const keyHash = await login(-1, 11);
    expect(await ask(version)).toEqual({ answer: { version: '1', contract: 1 }, notes: [] });
    expect(labd.asked.map(({ path }) => path)).toEqual(['/api/version']);
    expect((await readCredentials(env, 'prod'))?.key.keyHash).toBe(keyHash);
  });

  test('CA-6 after half its life it is renewed on the way, with a new key', async () => {
    const keyHash = await login(-9, 3);
    const { notes } = await ask(renewing(pin));
    expect(notes).toEqual(['renewed the certificate of context prod']);
    expect(labd.asked.map(({ path }) => path)).toEqual(['/api/auth/renew', '/api/version']);
    expect((await readCredentials(env, 'prod'))?.key.keyHash).not.toBe(keyHash);
  });

  test('a renewal that fails is no failure of the command, as long as the certificate lives', async () => {
    const keyHash = await login(-9, 3);
    const busy = { status: 500, json: { error: { code: 'INTERNAL', message: 'no', requestId: 'r' } } };
    const { answer, notes } = await ask(({ path }) =>
      path === '/api/auth/renew' ? busy : { json: { version: '1', contract: 1 } },
    );
    expect(answer).toEqual({ version: '1', contract: 1 });
    expect(notes[0]).toContain('could not be renewed: no (INTERNAL)');
    expect((await readCredentials(env, 'prod'))?.key.keyHash).toBe(keyHash);
  });

  test('a login that has ended says so, and nothing goes out', async () => {
    await login(-15, -3);
    const error = await refusal(ask(version));
    expect(error).toMatchObject({
      message: 'the login to context prod ended 3h ago',
      hint: 'labctl login --context prod',
      exitCode: 3,
    });
    expect(labd.asked).toEqual([]);
  });

  test('no login, and a file that others can read', async () => {
    expect(await refusal(ask(version))).toMatchObject({ message: 'nobody is logged in to context prod', exitCode: 3 });
  });

  test('CA-5 a pin that is not the CA’s is refused before a byte goes out', async () => {
    await login(-1, 11);
    const wrong = `sha256:${'0'.repeat(64)}`;
    expect(await refusal(ask(version, false, { LABCTL_LABD_CA_PIN: wrong }))).toMatchObject({ exitCode: 6 });
    expect(labd.asked).toEqual([]);
  });

  test('CA-10 a pin of the file moves with the CA, one of the environment does not', async () => {
    await login(-9, 3);
    const both = `${pin},sha256:${'1'.repeat(64)}`;
    await ask(renewing(both));
    expect(new Settings({ env }).get('labd.caPin')).toBe(both);
    const before = readFileSync(configPath(env), 'utf8');
    await login(-9, 3);
    await ask(renewing(pin), false, { LABCTL_LABD_CA_PIN: both });
    expect(readFileSync(configPath(env), 'utf8')).toBe(before);
  });

  test('ID-1 --local asks the admin socket and needs no login', async () => {
    const path = join(home, 'admin.sock');
    await using socket = await startFakeSocket(path, version);
    expect((await ask(version, true, { LABCTL_ADMIN_SOCKET: path })).answer).toEqual({ version: '1', contract: 1 });
    expect(socket.asked).toHaveLength(1);
    expect(adminSocketPath({})).toBe('/run/labmesh/labd.sock');
    expect(await refusal(ask(version, true, { LABCTL_ADMIN_SOCKET: join(home, 'none') }))).toMatchObject({
      exitCode: 6,
    });
  });
});
