/**
 * A stranger, a thief and a liar against a real labd (LD-2, LD-4 … LD-6, acceptance 5 and 12): nobody gets in who should
 * not, nobody gets more than is theirs, and labd goes on serving the others meanwhile. LABMESH_HOSTILE=10000 tries that
 * often; 1,200 by default.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { clientAuth, readCertificate } from '@labmesh/pki/der/read-certificate';
import { createCsr } from '@labmesh/pki/csr';
import { extension, requests } from '@labmesh/pki/testing/library';
import { generateKey, signingAlgorithm } from '@labmesh/pki/keys';
import type { Link } from '@labmesh/link/link';
import { admissionAttacks, runAttacks } from './harness/fleet/admission-attacks.ts';
import { enrolMachine, enrolUser, type Identity, joinBody, type Machine } from './harness/fleet/fleet-identities.ts';
import { clientLink, machineLink, upgradeStatus } from './harness/fleet/fleet-sockets.ts';
import { type Answer, doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

const attempts = Number(process.env['LABMESH_HOSTILE'] ?? 1_200);
const growthMibMax = 60;
const unlimited = ['anonymous', 'enrol', 'tokens', 'login', 'principal'].map((name) => `${name}_per_min = 10000000`);

let labd: RunningLabd;
let agent: Machine;
let admin: Identity;
/** Their certificates live 3 s. */
let service: Machine;
let sleeper: Machine;
/** A connection and a socket that the service opened while it was good. */
let serviceLine: HttpsLine;

beforeAll(async () => {
  const toml = ['[hub]', 'accepts_per_s = 5000', '[ca]', 'service_ttl = "3s"', '[limits]', ...unlimited];
  labd = await startLabd({ labd: 'trusted_proxies = ["127.0.0.1"]', toml: toml.join('\n') });
  agent = await enrolMachine(labd, 'agent', 'web-1');
  admin = await enrolUser(labd, 'ada', ['admin']);
  service = await enrolMachine(labd, 'service', 'gateway');
  sleeper = await enrolMachine(labd, 'service', 'telemetry');
  serviceLine = new HttpsLine(doorOf(labd.api), service);
  expect((await serviceLine.call('GET', '/api/auth/whoami')).status).toBe(200);
}, 90_000);

afterAll(async () => {
  serviceLine[Symbol.dispose]();
  await labd[Symbol.asyncDispose]();
});

const rssMib = () => {
  const status = readFileSync(`/proc/${labd.daemon.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
};
const quantile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)]!;
const agents = () => doorOf(labd.agents);
const api = () => doorOf(labd.api);
const linkOf = (link: Link | number): Link => {
  if (typeof link === 'number') throw new Error(`the upgrade was answered by ${link}`);
  return link;
};

/** Calls of somebody who may, one after the other, until told to stop; how long each took, ms. */
async function goodCaller(signal: AbortSignal): Promise<number[]> {
  using line = new HttpsLine(api(), admin);
  const took: number[] = [];
  while (!signal.aborted) {
    const at = performance.now();
    expect((await line.call('GET', '/api/servers')).status).toBe(200);
    took.push(performance.now() - at);
    await Bun.sleep(20);
  }
  return took;
}

test('an expired certificate is good for reenroll alone, also on a connection from before', async () => {
  const [leaf] = certificatesIn(sleeper.certPem).map(readCertificate);
  await Bun.sleep(Math.max(0, leaf!.notAfter - Date.now() + 50));
  expect((await serviceLine.call('GET', '/api/auth/whoami')).status).toBe(401);
  using atApi = new HttpsLine(api(), service);
  using atAgents = new HttpsLine(agents(), service);
  expect((await atApi.call('GET', '/api/auth/whoami')).status).toBe(401);
  expect((await atApi.call('GET', '/healthz')).status).toBe(200);
  const csrPem = await createCsr(await generateKey());
  expect((await atAgents.call('POST', '/api/auth/renew', { json: { csrPem } })).status).toBe(401);
  expect(await upgradeStatus(api(), '/ws/client', { identity: service })).toBe(401);
  expect(await upgradeStatus(agents(), '/ws/agent', { identity: service })).toBe(401);
  using back = new HttpsLine(agents(), sleeper);
  const renewed = await back.call('POST', '/api/auth/reenroll', { json: { csrPem } });
  expect(renewed.status).toBe(200);
  const [next] = certificatesIn(renewed.json<{ certificatePem: string }>().certificatePem).map(readCertificate);
  expect(next!.uris).toEqual(leaf!.uris);
}, 90_000);

test(
  `of ${attempts} attempts by bad tokens, certificates and kinds, none is let in`,
  async () => {
    // An agent that was let in stays, as long as it says that it lives.
    const connected = linkOf(await machineLink(agents(), 'agent', { identity: agent, serverId: agent.serverId }));
    const beat = setInterval(() => connected.ping(), 5_000);
    const [leaf] = certificatesIn(service.certPem).map(readCertificate);
    await Bun.sleep(Math.max(0, leaf!.notAfter - Date.now() + 50));
    const attacks = await admissionAttacks(labd, { agent, admin, expired: service });
    const known = async () => (await labd.call<{ agents: { known: number } }>('GET', '/health/detailed')).agents.known;
    // What a heap takes once is no growth: 40,000 attempts took no more of it than 10,000.
    await runAttacks(attacks, Math.max(attacks.length, Math.ceil(attempts / 4)), 8);
    const [before, rssBefore, startedAt] = [await known(), rssMib(), performance.now()];
    const stop = new AbortController();
    const good = goodCaller(stop.signal);
    const { admitted, statuses } = await runAttacks(attacks, attempts, 8);
    stop.abort();
    const took = await good;
    const grownMib = rssMib() - rssBefore;
    const p99 = quantile(took, 0.99);
    console.log(
      `${attempts} attempts of ${attacks.length} kinds in ${((performance.now() - startedAt) / 1000).toFixed(1)} s:`,
      `${admitted.length} admitted, statuses ${JSON.stringify(statuses)};`,
      `meanwhile ${took.length} good calls, p50 ${quantile(took, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; RSS ${grownMib.toFixed(1)} MiB`,
    );
    expect(admitted).toEqual([]);
    expect(Object.keys(statuses)).toEqual(['401', '403', '404']);
    expect(await known()).toBe(before);
    expect(connected.isUp).toBe(true);
    clearInterval(beat);
    connected.close('goingAway');
    expect(grownMib).toBeLessThan(growthMibMax);
    expect(p99).toBeLessThan(2_000);
  },
  15_000 + attempts * 30,
);

describe('what a request may ask for', () => {
  /** A request that wants to be a CA, an administrator and somebody else. */
  async function greedy(curve: 'P-256' | 'P-384' = 'P-256') {
    const key = await generateKey(curve);
    const request = await requests.create({
      name: 'CN=admin, O=system:masters',
      keys: { privateKey: key.privateKey, publicKey: key.publicKey },
      signingAlgorithm: signingAlgorithm(curve),
      extensions: [
        extension.ca(3),
        extension.names([
          { type: 'url', value: `spiffe://labmesh.internal/user/${admin.id}` },
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
        extension.extendedUsage(['1.3.6.1.5.5.7.3.1', clientAuth]),
      ],
    });
    return { key, csrPem: request.toString('pem') };
  }
  const enroll = async (csrPem: string, hostname: string) => {
    const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', {});
    using line = new HttpsLine(agents());
    const body = { ...(await joinBody(await generateKey(), token, hostname)), csrPem };
    return await line.call('POST', '/api/auth/enroll', { json: body });
  };

  test('CA-4 CA:TRUE, CN=admin, another URI: only the key counts', async () => {
    const { key, csrPem } = await greedy();
    const answer = await enroll(csrPem, 'greedy-1');
    expect(answer.status).toBe(200);
    const { certificatePem, agentId } = answer.json<{ certificatePem: string; agentId: string }>();
    const leaf = readCertificate(certificatesIn(certificatePem)[0]!);
    expect(leaf).toMatchObject({
      isCa: false,
      uris: [`spiffe://labmesh.internal/agent/${agentId}`],
      extendedKeyUsage: [clientAuth],
      keyHash: key.keyHash,
    });
    expect(Buffer.from(leaf.der).includes('admin')).toBe(false);
    expect(Buffer.from(leaf.der).includes('localhost')).toBe(false);
  });

  test.each(['rsa', 'ed25519', 'P-521'] as const)('CA-1 a %s key is refused', async (type) => {
    const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
    const algorithms = {
      'P-521': { name: 'ECDSA', namedCurve: type, hash: 'SHA-512' },
      rsa: { name: 'RSASSA-PKCS1-v1_5', ...rsa },
      ed25519: { name: 'Ed25519' },
    };
    const algorithm = algorithms[type];
    const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
    const request = await requests.create({ name: 'CN=x', keys, signingAlgorithm: algorithm });
    const answer = await enroll(request.toString('pem'), `odd-${type}`.toLowerCase());
    expect([answer.status, answer.json().error?.code]).toEqual([400, 'KEY_TYPE_REFUSED']);
  });

  test('a request that another key signed is refused', async () => {
    const { csrPem } = await greedy();
    const [first = '', ...rest] = csrPem.trim().split('\n');
    const der = Buffer.from(rest.slice(0, -1).join(''), 'base64');
    der[der.length - 1]! ^= 1;
    const changed = [first, der.toString('base64'), rest.at(-1)].join('\n');
    expect((await enroll(changed, 'signed-by-another')).status).toBe(400);
  });
});

test('JT-4 fifty at once with one token: one gets in, 49 hear TOKEN_USED', async () => {
  const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', {});
  const bodies = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => joinBody(await generateKey(), token, `race-${n}`)),
  );
  const lines = bodies.map((_, n) => new HttpsLine(n % 2 === 0 ? agents() : api()));
  const answers = await Promise.all(bodies.map((json, n) => lines[n]!.call('POST', '/api/auth/enroll', { json })));
  for (const line of lines) line[Symbol.dispose]();
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter((answer) => answer.status === 403 && answer.json().error?.code === 'TOKEN_USED')).toHaveLength(
    49,
  );
  const winner = answers.findIndex(({ status }) => status === 200);
  using again = new HttpsLine(agents());
  const repeated = await again.call('POST', '/api/auth/enroll', { json: bodies[winner] });
  const pemOf = (answer: Answer) => answer.json<{ certificatePem: string }>().certificatePem;
  expect(pemOf(repeated)).toBe(pemOf(answers[winner]!));
});

describe('LD-5 pages of others', () => {
  test.each([
    ['origin', 'https://evil.example'],
    ['origin', 'null'],
    ['host', 'evil.example'],
    ['host', 'localhost.evil.example:3100'],
  ])('%s %s is refused on every door, for whoever it is', async (name, value) => {
    const headers = { [name]: value };
    for (const [door, identity] of [
      [api(), admin],
      [agents(), agent],
    ] as const) {
      using line = new HttpsLine(door, identity);
      expect((await line.call('GET', '/healthz', { headers })).status).toBe(403);
      expect((await line.call('GET', '/ca/bundle', { headers })).status).toBe(403);
    }
    expect(await upgradeStatus(api(), '/ws/client', { identity: admin, headers })).toBe(403);
    expect(await upgradeStatus(agents(), '/ws/agent', { identity: agent, headers })).toBe(403);
  });

  test('a ticket opens one socket, once; a part of one none', async () => {
    await labd.call('POST', '/api/users/ada/password', { password: 'correct horse battery' });
    using line = new HttpsLine(api());
    const json = { user: 'ada', password: 'correct horse battery' };
    const { session } = (await line.call('POST', '/api/auth/login', { json })).json<{ session: string }>();
    const asked = { headers: { authorization: `Bearer ${session}` }, json: {} };
    const { ticket } = (await line.call('POST', '/api/auth/ticket', asked)).json<{ ticket: string }>();
    const offer = (text: string) => ({ headers: { 'sec-websocket-protocol': `labmesh.client.v1, ${text}` } });
    expect(await upgradeStatus(api(), '/ws/client', offer(ticket.slice(0, -1)))).toBe(401);
    expect(await upgradeStatus(api(), '/ws/client', offer(`${ticket.slice(0, -2)}AA`))).toBe(401);
    const both = await Promise.all([1, 2, 3, 4].map(() => upgradeStatus(api(), '/ws/client', offer(ticket))));
    expect(both.toSorted((a, b) => a - b)).toEqual([101, 401, 401, 401]);
    expect(await upgradeStatus(api(), '/ws/client', offer(ticket))).toBe(401);
    const client = linkOf(await clientLink(api(), { headers: { authorization: `Bearer ${session}` } }));
    client.close('goingAway');
  });
});
