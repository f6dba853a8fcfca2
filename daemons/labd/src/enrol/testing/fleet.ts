/** labd's side of enrolment for tests: the people of login's tests, and what lets machines in. */
import type { FakeClock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { type Enroll, enrollSchema } from '@labmesh/wire/fleet/enrolment';
import { system } from '@labmesh/wire/fleet/principal';
import { type CreateToken, createTokenSchema } from '@labmesh/wire/fleet/tokens';
import type { Caller } from '../../login/caller.ts';
import { localRoot, newRequest, stranger } from '../../login/testing/callers.ts';
import { openPeople, type PeopleOptions, type servePeople } from '../../login/testing/people.ts';
import { testDomain } from '../../login/testing/replica-ca.ts';
import { Enrolment } from '../enroll.ts';
import type { ReenrollParts } from '../reenroll.ts';
import { JoinTokens } from '../tokens/join-tokens.ts';

const hour = 3_600_000;
export const agentUrls = ['wss://a.labd.test:3101', 'wss://b.labd.test:3101'];
const ttl = { agentMs: 24 * hour, serviceMs: 24 * hour };

type Replica = Awaited<ReturnType<typeof servePeople>>;

/** What one replica needs for machines, over its people. */
export function serveFleet(store: Store, clock: FakeClock, people: Replica) {
  const { authority, denials } = people;
  const target = () => ({ agentUrl: agentUrls[0] ?? '', pin: authority.bundle().pins.join(',') });
  const parts = { store, clock, authority, denials, ttl };
  return {
    tokens: new JoinTokens({ store, clock, target }),
    enrolment: new Enrolment({ ...parts, agentUrls: () => agentUrls }),
    lifecycle: { store, clock, denials, trustDomain: testDomain },
    renewing: { ...parts, users: people.certificates },
    reenrolling: { ...parts, mode: 'auto' } satisfies ReenrollParts as ReenrollParts,
  };
}

export async function openFleet(options: PeopleOptions = {}) {
  const people = await openPeople(options);
  return {
    ...people,
    ...serveFleet(people.store, people.clock, people),
    replica: async () => serveFleet(people.store, people.clock, await people.replica()),
  };
}
export type Fleet = Awaited<ReturnType<typeof openFleet>>;

/** A token by the rules of its schema; its text. */
export async function newToken(
  fleet: Pick<Fleet, 'tokens'>,
  token: CreateToken = {},
  caller = localRoot,
): Promise<string> {
  return (await fleet.tokens.create(caller, createTokenSchema.parse(token))).token;
}

let machines = 0;
export type Machine = Omit<Enroll, 'token'> & { keyHash: string };

/** A machine nobody knows, with a key of its own. */
export async function newMachine(more: Partial<Enroll> = {}): Promise<Machine> {
  const n = ++machines;
  const { csrPem, keyHash } = await newRequest();
  return {
    csrPem,
    keyHash,
    hostname: `web-${n}`,
    machineId: n.toString(16).padStart(32, '0'),
    macs: [`52:54:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`],
    agentVersion: '1.0.0',
    ...more,
  };
}

/** The same machine with another key. */
export const otherKey = async (machine: Machine): Promise<Machine> => ({ ...machine, ...(await newRequest()) });

export function join(fleet: Pick<Fleet, 'enrolment'>, token: string, machine: Machine, caller: Caller = stranger) {
  const { keyHash: _, ...body } = machine;
  return fleet.enrolment.enroll(caller, enrollSchema.parse({ ...body, token }));
}

/** The caller that an agent is, over the certificate it was given. */
export async function asAgent(fleet: Fleet, agentId: string): Promise<Caller> {
  const row = await fleet.store.read(system('test'), (db) =>
    db
      .selectFrom('certificates')
      .selectAll()
      .where('subject_id', '=', agentId)
      .orderBy('not_after', 'desc')
      .orderBy('created_at', 'desc')
      .executeTakeFirstOrThrow(),
  );
  const principal = { kind: 'agent', id: agentId, name: row.name } as const;
  return { ...stranger, principal, keyHash: row.key_hash, serial: row.id };
}

export const serverRow = (fleet: Fleet, id: string) =>
  fleet.store.read(system('test'), (db) =>
    db.selectFrom('servers').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  );
export const agentRow = (fleet: Fleet, id: string) =>
  fleet.store.read(system('test'), (db) => db.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirst());
export const count = async (
  fleet: Fleet,
  table: 'servers' | 'agents' | 'certificates' | 'token_uses',
): Promise<number> =>
  (await fleet.store.read(system('test'), (db) => db.selectFrom(table).select('id').execute())).length;

/** Says that the agent was heard of now. */
export const hear = (fleet: Fleet, serverId: string) =>
  fleet.store.write(system('test'), (tx) =>
    tx.updateTable('servers').set({ last_seen_at: fleet.clock.wall() }).where('id', '=', serverId).execute(),
  );
