/**
 * What may not be told, taken or said (JT-6, HB-6, HB-12, acceptance 5 and 12): a token goes to nobody without the pin,
 * a session is resumed by nobody else, an agent speaks for nobody else; and when all is done no secret stands in the
 * log, the store, the recordings or the audit export.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { Link } from '@labmesh/link/link';
import type { Msg } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import { AgentIdentity } from '../daemons/agent/src/identity/agent-identity.ts';
import { openFakeDoor, type FakeDoor } from './harness/fleet/fake-labd-door.ts';
import { enrolMachine, enrolUser, type Identity, type Machine } from './harness/fleet/fleet-identities.ts';
import { clientLink, machineLink, openOutcome, resumeOutcome, runSession } from './harness/fleet/fleet-sockets.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

let labd: RunningLabd;
let web: RunningAgent;
let alice: Identity;
let bob: Identity;
let liar: Machine;
/** Every secret that was made here, by what it is. */
const secrets = new Map<string, string>();
const typed = `typed-${uuidv7()}`;

beforeAll(async () => {
  labd = await startLabd();
  web = await startAgent(labd, 'web-1');
  [alice, bob] = [await enrolUser(labd, 'alice', ['operator']), await enrolUser(labd, 'bob', ['operator'])];
  liar = await enrolMachine(labd, 'agent', 'web-2');
  for (const [name, { keyPem }] of Object.entries({ alice, bob, liar })) secrets.set(`key of ${name}`, keyBody(keyPem));
  secrets.set('a join token', liar.token);
}, 40_000);
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  await labd[Symbol.asyncDispose]();
});

const keyBody = (pem: string) => pem.split('\n')[1]!;
const linkOf = (link: Link | number): Link => {
  if (typeof link === 'number') throw new Error(`the upgrade was answered by ${link}`);
  return link;
};
const client = async (identity: Identity) => linkOf(await clientLink(doorOf(labd.api), { identity }));
const cat: Open = {
  kind: 'exec',
  server: 'web-1',
  argv: ['cat'],
  env: {},
  tty: null,
  stdin: true,
  detach: false,
  keepChildren: false,
  noRecord: false,
};

describe('JT-6 the token goes to who has the pin', () => {
  let fake: FakeDoor;
  let token: string;
  let pin: string;
  let realBundle: string;
  const facts = { hostname: 'victim', machineId: 'ab'.repeat(16), macs: [], agentVersion: '0.1.0', labels: {} };

  beforeAll(async () => {
    fake = await openFakeDoor();
    ({ token } = await labd.call<{ token: string }>('POST', '/api/tokens', {}));
    secrets.set('the token of the pin tests', token);
    using line = new HttpsLine(doorOf(labd.agents));
    pin = (await line.call('GET', '/ca/pin')).body.trim();
    realBundle = (await line.call('GET', '/ca/bundle')).body;
  });
  afterAll(() => fake[Symbol.asyncDispose]());

  const enrol = async (caPin: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-pin-'));
    try {
      await AgentIdentity.enrol(folder, { url: fake.url, caPin, token }, facts, AbortSignal.timeout(5_000));
      return 'enrolled';
    } catch (error) {
      return (error as Error).message;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  test('another bundle, the right bundle over a wrong chain, both at once, a pin that is none', async () => {
    for (const bundle of [fake.ownBundle, realBundle, realBundle + fake.ownBundle, '', 'x']) {
      fake.bundle = bundle;
      for (const caPin of [pin, `${pin},${pin}`, 'sha256:00', '', pin.slice(0, -1)]) {
        expect(await enrol(caPin)).not.toBe('enrolled');
      }
    }
    expect(fake.paths.length).toBeGreaterThan(20);
    expect(new Set(fake.paths)).toEqual(new Set(['/ca/bundle']));
    expect(fake.heard()).not.toContain(token.slice(4, 12));
  });

  test('labctl login: a wrong pin, and no pin where nobody can be asked', async () => {
    const made = await labd.call<{ token: string }>('POST', '/api/users', { name: 'victim' });
    secrets.set('a user token', made.token);
    const login = (url: string, ...words: string[]) =>
      labd.labctlWith({ stdin: made.token }, 'login', url, '--token-file', '-', ...words);
    fake.bundle = fake.ownBundle;
    const wrong = await login(fake.url, '--ca-pin', pin);
    const unpinned = await login(fake.url);
    expect([wrong.exitCode === 0, unpinned.exitCode === 0]).toEqual([false, false]);
    fake.bundle = realBundle;
    expect((await login(fake.url, '--ca-pin', pin)).exitCode).not.toBe(0);
    expect(fake.heard()).not.toContain(made.token.slice(4, 12));
    expect((await login(labd.api, '--ca-pin', pin)).exitCode).toBe(0);
    const { credentials } = Object.fromEntries(
      readdirSync(join(labd.folder, '.labctl')).map((name) => [name, join(labd.folder, '.labctl', name)]),
    );
    for (const file of readdirSync(credentials!)) {
      const text = readFileSync(join(credentials!, file), 'utf8');
      secrets.set(`labctl's key in ${file}`, keyBody(text.slice(text.indexOf('-----BEGIN PRIVATE KEY'))));
    }
  }, 90_000);
});

describe('HB-6 a session is its owner’s', () => {
  test('RESUME with the right token is for who opened it, and with another token for nobody', async () => {
    const [hers, his] = [await client(alice), await client(bob)];
    const local = linkOf(await clientLink({ socket: labd.socket }, {}));
    const session = ChannelEnd.open(hers, cat);
    let echoed = '';
    session.handle({ data: (_stream, bytes) => void (echoed += new TextDecoder().decode(bytes)) });
    const { token, session: id } = await session.opened;
    secrets.set('a resume token', token!);
    expect(await resumeOutcome(his, id, token!)).toBe('no-session');
    expect(await resumeOutcome(local, id, token!)).toBe('no-session');
    for (const wrong of ['', 'AAAAAAAAAAAAAAAAAAAAAA', token!.slice(1), token!.toUpperCase()]) {
      expect(await resumeOutcome(his, id, wrong)).toBe('no-session');
      expect(await resumeOutcome(await client(alice), id, wrong)).toBe('no-session');
    }
    expect(await resumeOutcome(his, uuidv7(), token!)).toBe('no-session');
    await session.write(0, new TextEncoder().encode(`${typed}\n`));
    session.end(0);
    expect((await session.closed).reason).toBe('ok');
    expect(echoed).toBe(`${typed}\n`);
    for (const link of [hers, his, local]) link.close('goingAway');
  });
});

describe('HB-12 an agent speaks for itself alone', () => {
  const connect = (kind: 'agent' | 'bastion', serverId: string, identity: Machine = liar) => {
    const ended = Promise.withResolvers<number>();
    const closed = (_link: Link, code: number) => ended.resolve(code);
    const link = machineLink(doorOf(labd.agents), kind, { identity, serverId }, { closed });
    link.catch(() => {});
    return { link, ended: ended.promise };
  };

  test.each([
    { kind: 'bastion-progress', actionId: 'a', mac: '52:54:00:00:00:01', attempt: 1, stage: 'done', status: 'ok' },
    { kind: 'desired', desired: { version: '9' } },
    { kind: 'end-sessions', sessions: [], reason: 'x' },
  ] as Msg[])('$kind ends its link', async (msg) => {
    const { link, ended } = connect('agent', liar.serverId);
    linkOf(await link).sendMsg(msg);
    expect(await ended).toBe(4400);
    const { items } = await labd.call<{ items: unknown[] }>('GET', '/api/machines');
    expect(items).toEqual([]);
  });

  test('another server, another kind, or a machine of nobody is not greeted', async () => {
    const { items } = await labd.call<{ items: { id: string; hostname: string }[] }>('GET', '/api/servers');
    const victim = items.find(({ hostname }) => hostname === 'web-1')!.id;
    expect(await connect('agent', victim).ended).toBe(4403);
    expect(await connect('agent', uuidv7()).ended).toBe(4403);
    expect(await connect('bastion', '').ended).toBe(4401);
    const bastion = await enrolMachine(labd, 'bastion', 'b-1');
    expect(await connect('agent', '', bastion).ended).not.toBe(1000);
  });

  test('it opens nothing at labd', async () => {
    const link = linkOf(await connect('agent', liar.serverId).link);
    expect(await openOutcome(link, cat)).toBe('denied');
    expect(await resumeOutcome(link, uuidv7(), 'AAAAAAAAAAAAAAAAAAAAAA')).toBe('denied');
    link.close('goingAway');
  });

  test('what it says of itself decides nothing: labels stand under facts', async () => {
    const link = linkOf(await connect('agent', liar.serverId).link);
    link.sendMsg({ kind: 'facts', digest: 'x', facts: { hostname: 'web-1', labels: { environment: 'dev' } } });
    await Bun.sleep(300);
    const shown = await labd.call<{ hostname: string; environment: string | null }>('GET', '/api/servers/web-2');
    expect(shown).toMatchObject({ hostname: 'web-2', environment: null });
    link.close('goingAway');
  });
});

/** Every file of a folder, and what it holds. */
function filesBelow(folder: string): { path: string; bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

test('acceptance 12: log, store, recordings and audit export hold no secret', async () => {
  await labd.call('POST', '/api/users/alice/password', { password: 'a long pass phrase' });
  secrets.set('a password', 'a long pass phrase');
  using line = new HttpsLine(doorOf(labd.api));
  const login = { user: 'alice', password: 'a long pass phrase' };
  const { session } = (await line.call('POST', '/api/auth/login', { json: login })).json<{ session: string }>();
  const asked = { headers: { authorization: `Bearer ${session}` }, json: {} };
  const { ticket } = (await line.call('POST', '/api/auth/ticket', asked)).json<{ ticket: string }>();
  const totp = await line.call('POST', '/api/users/alice/totp', { ...asked, json: { enabled: true } });
  const secret = new URL(totp.json<{ uri: string }>().uri).searchParams.get('secret')!;
  const keyed = await line.call('POST', '/api/auth/user-enroll', {
    json: { token: 'lmu_00000000_wrongsecret', csrPem: 'x' },
  });
  expect(keyed.status).toBe(400);
  for (const [name, value] of Object.entries({ session, ticket, secret })) secrets.set(name, value);
  secrets.set('text of a session', typed);
  const root = await clientLink({ socket: labd.socket }, {});
  const said = await runSession(linkOf(root), { ...cat, argv: ['sh', '-c', 'cat; cat >&2'] }, `${typed}\n`);
  expect(said.out).toContain(typed);
  linkOf(root).close('goingAway');
  const played = await fetch(`http://labd/api/sessions/${said.session}/recording`, { unix: labd.socket });
  expect(await played.text()).toContain(typed);
  const exported = await (await fetch('http://labd/api/audit/export', { unix: labd.socket })).text();
  expect(exported.split('\n').length).toBeGreaterThan(20);

  const own = new Set(['identity.pem', 'kek.key']);
  const files = filesBelow(join(labd.folder, 'data')).filter(({ path }) => !own.has(path.split('/').at(-1)!));
  expect(files.some(({ path, bytes }) => path.includes('labd.db') && bytes.includes('alice'))).toBe(true);
  expect(files.filter(({ path }) => path.includes('recordings')).length).toBeGreaterThan(0);
  const places = [
    { path: 'the log of labd', bytes: Buffer.from(labd.daemon.said) },
    { path: 'the log of the agent', bytes: Buffer.from(web.daemon.said) },
    { path: 'the audit export', bytes: Buffer.from(exported) },
    ...files,
  ];
  const found = places.flatMap(({ path, bytes }) =>
    [...secrets].filter(([, value]) => bytes.includes(value)).map(([name]) => `${name} in ${path}`),
  );
  expect(found).toEqual([]);
  expect(places.filter(({ bytes }) => bytes.includes('PRIVATE KEY')).map(({ path }) => path)).toEqual([]);
  expect([...secrets.values()].every((value) => value.length >= 16)).toBe(true);
  expect(secrets.size).toBeGreaterThan(10);
}, 90_000);
