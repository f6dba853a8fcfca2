/** Gateway, arena and executor as three processes (verification RP1): by a secret over loopback, and by mTLS. */
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { llamaInstalled } from '@labmesh/portman/testing/needs-llama';
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import { tinyPrompts, tinySuite, tinyTasks } from './arena/tiny-tasks.ts';
import { type Finished, LabctlHome, type LabctlProcess, type Ready } from './harness/labctl-process.ts';
import { LiveListener } from './harness/live-listener.ts';
import { verificationMissing } from './harness/verification-missing.ts';

const needs = llamaInstalled ? verificationMissing : 'node-llama-cpp';

/** A port that nobody has at this moment: the gateway has to know it before the arena has it. */
function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** A folder with everything in it; what was started last ends first. */
class Site implements AsyncDisposable {
  readonly home = new LabctlHome();
  readonly port = freePort();
  readonly secret = join(this.home.folder, 'arena.key');
  readonly executorSocket = join(this.home.folder, 'executor', 'x.sock');
  readonly #started: LabctlProcess[] = [];

  path = (name: string) => join(this.home.folder, name);

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }

  async start(...words: string[]): Promise<LabctlProcess> {
    const started = this.home.start(...words);
    this.#started.push(started);
    await started.says('"ready":true');
    return started;
  }

  async gateway(settings: readonly string[]): Promise<Ready> {
    const lines = ['[gateway]', `internal_key_file = "${this.secret}"`, ...settings, ''];
    const config = this.write('gateway.toml', lines.join('\n'));
    return await this.up('--only', 'gateway,engine', '--demo', '--no-discovery', '--config', config);
  }

  async up(...words: string[]): Promise<Ready> {
    const { labctl, ready } = await this.home.up(...words);
    this.#started.push(labctl);
    return ready;
  }

  executor = () => this.start('lab-executor', '--socket', this.executorSocket);

  /** @param token where its secret is */
  arena({ api }: Ready, token: string, ...words: string[]): Promise<LabctlProcess> {
    const where = ['--gateway-url', api, '--listen', `127.0.0.1:${this.port}`, '--data', this.path('arena data')];
    return this.start('lab-arena', '--token-file', token, ...where, '--executor-socket', this.executorSocket, ...words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#started.toReversed()) await one[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
  }
}

const [task] = tinyTasks;
if (task === undefined) throw new Error('no tasks');
const suite = tinySuite(task);

async function put({ home }: Site): Promise<void> {
  writeFileSync(join(home.folder, 'suite.json'), JSON.stringify(suite));
  expect(await home.run('arena', 'suites', 'put', 'suite.json', '--data', home.data)).toMatchObject({ exitCode: 0 });
}

async function ask({ api, key, models }: Ready) {
  const response = await fetch(`${api}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: models[0]?.id,
      messages: [{ role: 'user', content: tinyPrompts(task as NonNullable<typeof task>)[0] }],
      max_tokens: 44,
      verification: { mode: 'intercept', suite: suite.id, metadata: { language: 'python' }, variations: 3 },
    }),
  });
  const body = (await response.json()) as {
    error?: { code: string };
    verification?: { status: string; run_id: string; certificate_id: string; isolation: string; cached: boolean };
  };
  return { status: response.status, ...body };
}

type Report = NonNullable<Awaited<ReturnType<typeof ask>>['verification']>;

/** The first answer that is as wanted. */
async function given(ready: Ready, wanted: (report: Report) => boolean): Promise<Report> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    const { verification } = await ask(ready);
    if (verification !== undefined && wanted(verification)) return verification;
  }
  throw new Error('no answer was as wanted');
}

/** As another gateway of the same arena would ask it. */
async function revokeAtArena({ port, secret }: Site, id: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/api/arena/certificates/${id}/revoke`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${readFileSync(secret, 'utf8').trim()}`,
      [tenantHeader]: 'default',
      [keyHeader]: 'another',
    },
    body: JSON.stringify({ reason: 'cheat_found' }),
  });
  expect(response.status).toBe(200);
}

/** The certificate of a run, verified with nothing but what the API gives to anybody with a key. */
async function fetched({ home }: Site, run: string): Promise<Finished> {
  const file = await home.run('arena', 'certificate', run, '--out', home.folder, '--data', home.data);
  expect(file).toMatchObject({ exitCode: 0 });
  const given = ['--trust', 'trust.json', '--revocations', 'revocations.json'];
  return await home.run('cert', 'verify', file.stdout.trim(), ...given);
}
const certified = async (site: Site, run: string) => expect(await fetched(site, run)).toMatchObject({ exitCode: 0 });

/**
 * That a real engine honours seeds (AR2), which nobody asked for; what the gateway gives without a key of its own, the keys of
 * summaries (CT6) and the log (CT4); and that what happens can be listened to (AR23).
 */
async function saysMore({ home }: Site, { api, key }: Ready, run: string): Promise<void> {
  const shown = await home.run('arena', 'show', run, '--data', home.data);
  expect(shown.stdout).toContain('replayable   yes');
  const published = await fetch(api.replace(/\/v1$/, '/.well-known/jwks.json'));
  expect(await published.json()).toMatchObject({ keys: [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA' }] });
  const base = api.replace(/\/v1$/, '');
  for (const file of ['checkpoint', 'revocations', 'trust.json']) {
    expect([file, (await fetch(`${base}/log/${file}`)).status]).toEqual([file, 200]);
  }
  using live = new LiveListener(base, { authorization: `Bearer ${key}` });
  await (await live.settled()).subscribe('runs');
  expect(live.words).toEqual([{ op: 'subscribed', topics: ['runs'] }]);
}

describe.skipIf(needs !== undefined)(`an arena of its own process (needs ${needs ?? 'nothing more'})`, () => {
  const sites: Site[] = [];
  const newSite = () => {
    const site = new Site();
    sites.push(site);
    return site;
  };
  afterAll(async () => {
    for (const site of sites) await site[Symbol.asyncDispose]();
  });

  test('over TCP with the shared secret; with another one nothing is verified; it ends in order', async () => {
    const site = newSite();
    const ready = await site.gateway([`arena_url = "http://127.0.0.1:${site.port}"`]);
    expect(existsSync(site.secret)).toBe(true);
    expect(await ask(ready)).toMatchObject({ status: 503, error: { code: 'verification_unavailable' } });
    await site.executor();

    const stranger = await site.arena(ready, site.write('other.key', `${'x'.repeat(40)}\n`));
    expect(await ask(ready)).toMatchObject({ status: 503, error: { code: 'verification_unavailable' } });
    stranger.signal('SIGTERM');
    expect(await stranger.exited).toBe(0);

    const arena = await site.arena(ready, site.secret);
    await put(site);
    const answer = await ask(ready);
    expect(answer).toMatchObject({ status: 200, verification: { status: 'valid', isolation: 'SANDBOX_L1_NAMESPACE' } });
    await certified(site, answer.verification?.run_id ?? '');
    await saysMore(site, ready, answer.verification?.run_id ?? '');
    // The arena has the log: whoever has a key of the tenant asks it.
    const run = answer.verification?.run_id ?? '';
    const api = ['--api', ready.api, '--key', ready.key];
    const revoked = await site.home.run('cert', 'revoke', run, '--reason', 'cheat_found', '--yes', ...api);
    expect(revoked).toMatchObject({ exitCode: 0 });
    expect(await fetched(site, run)).toMatchObject({ exitCode: 5 });
    expect((await site.home.run('arena', 'resume', run, ...api)).exitCode).toBe(8);
    // It is not given again, and neither is the next one once it was revoked past the gateway.
    const next = await given(ready, (kept) => kept.cached && kept.status === 'valid');
    expect(next.run_id).not.toBe(run);
    await revokeAtArena(site, next.certificate_id);
    expect((await given(ready, (fresh) => fresh.run_id !== next.run_id)).cached).toBe(false);
    for (const _ of [1, 2, 3]) expect([run, next.run_id]).not.toContain((await ask(ready)).verification?.run_id);
    expect(await fetch(`http://127.0.0.1:${site.port}/api/arena/stats`)).toMatchObject({ status: 401 });
    // Nobody else may have its folder meanwhile, and it leaves nothing of prompts and secrets in its log.
    const words = ['--token-file', site.secret, '--listen', '127.0.0.1:0', '--data', site.path('arena data')];
    expect((await site.home.run('lab-arena', ...words)).exitCode).toBe(75);
    arena.signal('SIGTERM');
    expect(await arena.exited).toBe(0);
    expect(arena.stderr).not.toContain('write add');
  }, 120_000);

  test('over mTLS; who has no certificate of the authority is not let in', async () => {
    const site = newSite();
    const [ca, other] = [await sampleCa(), await sampleCa()];
    const [own, client, stranger] = [
      await ca.leaf('labd', 'arena'),
      await ca.leaf('service', 'gateway'),
      await other.leaf('service', 'gateway'),
    ];
    const write = (name: string, { certificatePem, key }: typeof own, chain = ca.chainPem) => [
      site.write(`${name}.pem`, certificatePem + chain),
      site.write(`${name}.key.pem`, key.privatePem),
    ];
    const root = site.write('ca.pem', ca.bundlePem);
    const [clientCert, clientKey] = write('client', client);
    const ready = await site.gateway([
      `arena_url = "https://127.0.0.1:${site.port}"`,
      `arena_ca_file = "${root}"`,
      `arena_cert_file = "${clientCert}"`,
      `arena_key_file = "${clientKey}"`,
    ]);
    await site.executor();
    const [cert, key] = write('arena', own);
    const lines = ['[arena]', `cert_file = "${cert}"`, `key_file = "${key}"`, `ca_file = "${root}"`, ''];
    await site.arena(ready, site.secret, '--config', site.write('arena.toml', lines.join('\n')));
    await put(site);
    const answer = await ask(ready);
    expect(answer).toMatchObject({ status: 200, verification: { status: 'valid' } });
    await certified(site, answer.verification?.run_id ?? '');

    const secret = await Bun.file(site.secret).text();
    const knock = (tls: object) =>
      fetch(`https://127.0.0.1:${site.port}/api/arena/stats`, {
        headers: { authorization: `Bearer ${secret.trim()}`, 'x-labmesh-tenant': 'default' },
        tls: { ca: ca.bundlePem, ...tls },
      }).then(
        ({ status }) => status,
        () => 'refused',
      );
    expect(await knock({ cert: client.certificatePem + ca.chainPem, key: client.key.privatePem })).toBe(200);
    expect(await knock({})).toBe('refused');
    expect(await knock({ cert: stranger.certificatePem + other.chainPem, key: stranger.key.privatePem })).toBe(
      'refused',
    );
  }, 120_000);

  test('beside its gateway in labctl up: cert revoke asks it, since it has the log', async () => {
    const site = newSite();
    const words = ['--only', 'gateway,engine,arena', '--demo', '--no-discovery'];
    const ready = await site.up(...words);
    await put(site);
    const run = (await ask(ready)).verification?.run_id ?? '';
    await certified(site, run);
    const revoke = ['cert', 'revoke', run, '--reason', 'cheat_found', '--yes', '--data', site.home.data];
    expect(await site.home.run(...revoke)).toMatchObject({ exitCode: 0, stdout: `revoked: ${run}\n` });
    expect(await fetched(site, run)).toMatchObject({ exitCode: 5 });
    const none = revoke.map((word) => (word === run ? 'cert-none' : word));
    expect((await site.home.run(...none)).exitCode).toBe(5);
  }, 120_000);
});
