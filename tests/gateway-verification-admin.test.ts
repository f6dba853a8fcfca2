/** What an operator and an arena change while the gateway runs: the mode, and the answers that are given again. */
import { describe, expect, test } from 'bun:test';
import { sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { bearer, until, VerificationGround } from './harness/verification-ground.ts';

const mode = async (ground: VerificationGround) =>
  ((await ground.admin('GET', '/status'))['verification'] as { mode: string; cached: number }).mode;

describe('POST /admin/mode/{mode}', () => {
  test('holds from the next request on; request, key and alias still come first', async () => {
    const alias = '[models.careful]\nmodel_id = "m"\nverification = "intercept"';
    await using ground = await VerificationGround.start(`[verification]\nmode = "passthrough"\n${alias}`);
    const verified = async (body: object = {}, key = ground.mesh.key) =>
      (await ground.chat(body, bearer(key))).headers.get('x-labmesh-verification');
    const own = await ground.newKey({ verification: 'passthrough' });
    expect([await mode(ground), await verified()]).toEqual(['passthrough', null]);
    expect(await ground.admin('POST', '/mode/intercept')).toEqual({ mode: 'intercept', before: 'passthrough' });
    expect([await mode(ground), await verified()]).toEqual(['intercept', 'passed']);
    expect(await verified({ verification: { mode: 'passthrough' } })).toBeNull();
    expect(await verified({}, own.key)).toBeNull();
    expect(await ground.admin('POST', '/mode/audit')).toEqual({ mode: 'audit', before: 'intercept' });
    expect(await verified()).toBe('pending');
    expect(await verified({ model: 'careful' })).toBe('passed');
    await ground.admin('POST', '/mode/passthrough');
    expect(await verified()).toBeNull();
    expect(ground.mesh.logged()).toContain('"msg":"the mode of verification was changed"');
  });

  test('what is no mode, no admin or no arena changes nothing', async () => {
    await using ground = await VerificationGround.start();
    expect(await ground.admin('POST', '/mode/always')).toMatchObject({
      error: { code: 'invalid_value', param: 'mode' },
    });
    expect(await ground.admin('GET', '/mode/audit')).toMatchObject({ error: { code: 'unknown_route' } });
    for (const path of ['/admin/mode/audit', '/admin/clear-cache']) {
      expect((await ground.get(path, { method: 'POST' })).status).toBe(401);
      expect((await ground.get(path, { method: 'POST', ...bearer(ground.mesh.key) })).status).toBe(403);
    }
    expect(await mode(ground)).toBe('passthrough');
    await using alone = await VerificationGround.start('', { arena: 'none' });
    expect(await alone.admin('POST', '/mode/intercept')).toMatchObject({ error: { code: 'verification_unavailable' } });
    expect(await alone.admin('POST', '/mode/passthrough')).toMatchObject({ mode: 'passthrough' });
  });
});

describe('a key with arena:operate (RP8)', () => {
  test('sets the mode and forgets answers, is named in the log, and opens no other route of /admin', async () => {
    await using ground = await VerificationGround.start();
    const operator = await ground.newKey({ scopes: ['arena:operate'] });
    const call = async (method: string, path: string) => {
      const response = await ground.get(path, { method, ...bearer(operator.key) });
      return { status: response.status, body: await response.json() };
    };
    expect(await call('POST', '/admin/mode/audit')).toEqual({
      status: 200,
      body: { mode: 'audit', before: 'passthrough' },
    });
    expect(await mode(ground)).toBe('audit');
    expect(await call('POST', '/admin/clear-cache')).toEqual({ status: 200, body: { cleared: 0 } });
    expect(await call('DELETE', '/admin/cache')).toEqual({ status: 200, body: { cleared: 0 } });
    const logged = ground.mesh.logged();
    for (const word of ['the mode of verification was changed', 'verified answers were forgotten'])
      expect(logged.split('\n').find((line) => line.includes(word))).toContain(`"key_id":"${operator.id}"`);
    expect(logged).not.toContain(operator.key);
    for (const path of ['status', 'endpoints', 'models', 'keys', 'usage'])
      expect((await call('GET', `/admin/${path}`)).status).toBe(401);
    for (const path of ['keys', 'drain']) expect((await call('POST', `/admin/${path}`)).status).toBe(401);
    // It has no other right, and loses this one with its revocation.
    expect((await ground.chat({}, bearer(operator.key))).status).toBe(403);
    await ground.admin('DELETE', `/keys/${operator.id}`);
    expect((await call('POST', '/admin/mode/passthrough')).status).toBe(401);
    expect(await mode(ground)).toBe('audit');
  });
});

/** A ground whose arena gives each run a certificate of its own, and what the next request gets. */
async function counting(toml = '') {
  const ground = await VerificationGround.start(toml);
  let run = 0;
  ground.arena.script = () => [sampleResult({}, { run_id: `run-${++run}`, certificate_id: `cert-${run}` })];
  const certificate = async (key = ground.mesh.key) =>
    (await ground.verified({}, {}, bearer(key))).headers.get('x-verification-certificate');
  return { ground, certificate, [Symbol.asyncDispose]: () => ground[Symbol.asyncDispose]() };
}

describe('POST /admin/clear-cache', () => {
  test('forgets what all tenants or one would be given again, and says how much', async () => {
    await using all = await counting();
    const { ground, certificate } = all;
    const other = await ground.newKey({ tenant: 'other' });
    expect([await certificate(), await certificate(other.key)]).toEqual(['cert-1', 'cert-2']);
    expect((await ground.admin('GET', '/status'))['verification']).toMatchObject({ cached: 2 });
    expect(await ground.admin('POST', '/clear-cache?tenant=other')).toEqual({ cleared: 1 });
    expect([await certificate(), await certificate(other.key)]).toEqual(['cert-1', 'cert-3']);
    expect(await ground.admin('POST', '/clear-cache')).toEqual({ cleared: 2 });
    expect([await certificate(), await certificate(other.key)]).toEqual(['cert-4', 'cert-5']);
    // The other spelling of the same.
    expect(await ground.admin('DELETE', '/cache?tenant=other')).toEqual({ cleared: 1 });
    expect([await certificate(), await certificate(other.key)]).toEqual(['cert-4', 'cert-6']);
    expect(await ground.admin('DELETE', '/cache')).toEqual({ cleared: 2 });
    expect(await ground.admin('DELETE', '/cache?tenant=%00')).toMatchObject({ error: { code: 'invalid_value' } });
    expect((await ground.get('/admin/cache', { method: 'DELETE', ...bearer(ground.mesh.key) })).status).toBe(403);
    const wrong = await ground.admin('POST', '/clear-cache?tenant=%00');
    expect(wrong).toMatchObject({ error: { code: 'invalid_value', param: 'tenant' } });
    expect(await ground.admin('POST', '/clear-cache?tenant=nobody')).toEqual({ cleared: 0 });
  });
});

describe('a certificate that was revoked past this gateway', () => {
  test('is given for no longer than a second; another tenant keeps what it has', async () => {
    await using all = await counting();
    const { ground, certificate } = all;
    expect([await certificate(), await certificate()]).toEqual(['cert-1', 'cert-1']);
    ground.arena.epoch = 'epoch-2';
    await until(async () => (await certificate()) === 'cert-2');
    for (const _ of [1, 2, 3]) expect(await certificate()).toBe('cert-2');
  });

  test('an arena that does not say its word, or is away: nothing is given again', async () => {
    await using all = await counting();
    const { ground, certificate } = all;
    ground.arena.epoch = undefined;
    expect([await certificate(), await certificate()]).toEqual(['cert-1', 'cert-2']);
    ground.arena.epoch = 'epoch-1';
    expect([await certificate(), await certificate()]).toEqual(['cert-3', 'cert-3']);
    await ground.arena[Symbol.asyncDispose]();
    await until(async () => (await ground.verified()).status === 503);
  });

  test('the arena is asked by those who want it, and by nobody else', async () => {
    await using all = await counting();
    const { ground, certificate } = all;
    await ground.chat();
    expect(ground.arena.epochsAsked).toBe(0);
    await Promise.all(Array.from({ length: 20 }, () => certificate()));
    const first = ground.arena.epochsAsked;
    await Promise.all(Array.from({ length: 200 }, () => certificate()));
    // Each second one, however slow this machine is: far from one a request.
    expect(ground.arena.epochsAsked - first).toBeLessThan(60);
  });
});
