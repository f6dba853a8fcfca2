/**
 * Attempts to get in that must all fail (acceptance 5): tokens that are not good, certificates that are not ours or not
 * any more, identities of one kind where another belongs. Each is one request or upgrade over HTTP.
 */
import { randomBytes } from 'node:crypto';
import { createCsr } from '@labmesh/pki/csr';
import { generateKey } from '@labmesh/pki/keys';
import { enrolMachine, enrolUser, type Identity, joinBody, type Machine } from './fleet-identities.ts';
import { upgradeStatus } from './fleet-sockets.ts';
import { forgedIdentities } from './forged-identities.ts';
import { type ClientIdentity, doorOf, HttpsLine } from '../raw-https.ts';
import type { RunningLabd } from '../start-labd.ts';

/** `run` gives the HTTP status; below 300 somebody is in. */
export type Attack = { name: string; run: () => Promise<number> };
type DoorName = 'api' | 'agents';
type Target = { door: DoorName; method: string; path: string };

const targets: readonly Target[] = [
  { door: 'api', method: 'GET', path: '/api/servers' },
  { door: 'api', method: 'GET', path: '/api/auth/whoami' },
  { door: 'api', method: 'POST', path: '/api/tokens' },
  { door: 'api', method: 'POST', path: '/api/auth/renew' },
  { door: 'api', method: 'WS', path: '/ws/client' },
  { door: 'api', method: 'WS', path: '/ws/exec' },
  { door: 'agents', method: 'POST', path: '/api/auth/renew' },
  { door: 'agents', method: 'POST', path: '/api/auth/reenroll' },
  { door: 'agents', method: 'WS', path: '/ws/agent' },
  { door: 'agents', method: 'WS', path: '/ws/peer' },
  { door: 'agents', method: 'WS', path: '/ws/client' },
];
const all = () => true;
const name = ({ door, method, path }: Target) => `${door} ${method} ${path}`;

async function tryTarget(labd: RunningLabd, target: Target, identity?: ClientIdentity, headers = {}): Promise<number> {
  const door = doorOf(labd[target.door]);
  if (target.method === 'WS') return upgradeStatus(door, target.path, { identity, headers });
  using line = new HttpsLine(door, identity);
  const json = target.path.startsWith('/api/auth/re') ? { csrPem: await createCsr(await generateKey()) } : {};
  const body = target.method === 'POST' ? { json } : {};
  return (await line.call(target.method, target.path, { headers, ...body })).status;
}

type Shown = {
  name: string;
  identity?: ClientIdentity;
  headers?: Record<string, string>;
  where?: (to: Target) => boolean;
};

/** Identities that once were, or are something else. */
async function realButWrong(labd: RunningLabd, agent: Machine, admin: Identity, expired: Machine): Promise<Shown[]> {
  const gone = await enrolMachine(labd, 'agent', 'was-here');
  await labd.call('DELETE', '/api/agents/was-here');
  const banned = await enrolMachine(labd, 'agent', 'was-banned');
  await labd.call('POST', '/api/servers/was-banned/ban', {});
  const fired = await enrolUser(labd, 'fired', ['admin']);
  await labd.call('PATCH', '/api/users/fired', { disabled: true });
  const revoked = await enrolUser(labd, 'revoked', ['admin']);
  const { items } = await labd.call<{ items: { serial: string }[] }>('GET', '/api/certificates?identity=revoked');
  await labd.call('POST', `/api/certificates/${items[0]!.serial}/revoke`, {});
  const bastion = await enrolMachine(labd, 'bastion', 'other-kind');
  const isOwn = ({ door, path }: Target) => path === '/api/auth/renew' || (door === 'agents' && path === '/ws/agent');
  return [
    { name: 'agent, deleted', identity: gone },
    { name: 'agent, banned', identity: banned },
    { name: 'admin, disabled', identity: fired },
    { name: 'admin, certificate revoked', identity: revoked },
    { name: 'service, expired', identity: expired, where: ({ path }) => path !== '/api/auth/reenroll' },
    // A live one may renew; asking to come back is for expired ones.
    { name: 'agent elsewhere', identity: agent, where: (to) => !isOwn(to) && to.path !== '/api/auth/reenroll' },
    { name: 'bastion elsewhere', identity: bastion, where: (to) => !isOwn(to) && to.path !== '/api/auth/reenroll' },
    { name: 'admin at the agents', identity: admin, where: ({ door }) => door === 'agents' },
  ];
}

/** Bearers that are none. */
const badBearers = (agentToken: string): Shown[] =>
  [
    `lms_00000000_${randomBytes(32).toString('base64url')}`,
    agentToken,
    `lmn_0123456789_${randomBytes(32).toString('base64url')}`,
    'null',
    'x'.repeat(4_000),
  ].map((text) => ({ name: `bearer ${text.slice(0, 4)}`, headers: { authorization: `Bearer ${text}` } }));

async function identityAttacks(
  labd: RunningLabd,
  agent: Machine,
  admin: Identity,
  expired: Machine,
): Promise<Attack[]> {
  const forged = await forgedIdentities(admin, agent);
  const shown: Shown[] = [
    { name: 'no certificate' },
    ...Object.entries(forged).map(([forgery, identity]) => ({ name: forgery, identity })),
    ...(await realButWrong(labd, agent, admin, expired)),
    ...badBearers(agent.token),
  ];
  return shown.flatMap((one) =>
    targets.filter(one.where ?? all).map((target) => ({
      name: `${one.name}: ${name(target)}`,
      run: () => tryTarget(labd, target, one.identity, one.headers),
    })),
  );
}

/** Tokens that are not good, each with a key of its own. */
async function tokenAttacks(labd: RunningLabd): Promise<Attack[]> {
  const make = async (more: Record<string, unknown>) =>
    labd.call<{ token: string; prefix: string }>('POST', '/api/tokens', more);
  const [live, short, revoked, scoped] = [
    await make({}),
    await make({ ttlMs: 1_000 }),
    await make({}),
    await make({ hostname: 'only-me-*', macs: ['52:54:00:aa:bb:cc'] }),
  ];
  await labd.call('POST', `/api/tokens/${revoked.prefix}/revoke`, {});
  const used = (await enrolMachine(labd, 'agent', 'used-it')).token;
  const user = await labd.call<{ token: string }>('POST', '/api/users', { name: 'unused' });
  await Bun.sleep(1_100);
  const random = () => randomBytes(32).toString('base64url');
  const tokens: Record<string, () => string> = {
    unknown: () => `lmj_${randomBytes(8).toString('hex').slice(0, 8)}_${random()}`,
    'wrong secret': () => `${live.prefix}_${random()}`,
    'one letter off': () => live.token.slice(0, -1) + (live.token.endsWith('A') ? 'B' : 'A'),
    expired: () => short.token,
    revoked: () => revoked.token,
    used: () => used,
    'out of scope': () => scoped.token,
    'a user token': () => user.token,
    empty: () => '',
    sql: () => "' or '1'='1",
  };
  const keys = await Promise.all(Array.from({ length: 8 }, () => generateKey()));
  let count = 0;
  // Behind a proxy that is trusted, so that the window of one address does not do the work.
  const headers = () => ({ 'x-forwarded-for': `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}` });
  const enroll = async (door: DoorName, text: string) => {
    using line = new HttpsLine(doorOf(labd[door]));
    const json = await joinBody(keys[++count % keys.length]!, text, `hostile-${count}`);
    return (await line.call('POST', '/api/auth/enroll', { json, headers: headers() })).status;
  };
  const userEnroll = async (text: string) => {
    using line = new HttpsLine(doorOf(labd.api));
    const json = { token: text, csrPem: await createCsr(keys[++count % keys.length]!) };
    return (await line.call('POST', '/api/auth/user-enroll', { json, headers: headers() })).status;
  };
  return [
    ...Object.entries(tokens).flatMap(([kind, text]) =>
      (['api', 'agents'] as const).map((door) => ({
        name: `token ${kind} at ${door}`,
        run: () => enroll(door, text()),
      })),
    ),
    { name: 'a join token as a user', run: () => userEnroll(live.token) },
    { name: 'an unknown user token', run: () => userEnroll(`lmu_00000000_${random()}`) },
  ];
}

/** Every way in that must be shut. `expired` has a certificate whose time is over. */
export async function admissionAttacks(
  labd: RunningLabd,
  who: { agent: Machine; admin: Identity; expired: Machine },
): Promise<Attack[]> {
  return [...(await identityAttacks(labd, who.agent, who.admin, who.expired)), ...(await tokenAttacks(labd))];
}

/** Runs `count` attempts, the kinds in turn, `width` at a time; gives those that got in, and how often each status came. */
export async function runAttacks(attacks: readonly Attack[], count: number, width: number) {
  const statuses = new Map<number, number>();
  const admitted: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const attack = attacks[next++ % attacks.length]!;
      const status = await attack.run();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status < 400) admitted.push(`${attack.name}: ${status}`);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return { admitted, statuses: Object.fromEntries([...statuses].toSorted(([a], [b]) => a - b)) };
}
