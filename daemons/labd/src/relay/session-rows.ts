/** Sessions in the store: what resumes, what is listed, how it ended (EX-7, EX-11). */
import { createHash, randomBytes } from 'node:crypto';
import { prepared, preparedInsert, preparedList } from '@labmesh/store/prepared';
import type { Store, Writer } from '@labmesh/store/store';
import type { SessionsTable } from '@labmesh/store/tables';
import { closeCodes, type CloseReason } from '@labmesh/wire/frame/frame-types';
import { type Open, openSchema } from '@labmesh/wire/frame/open';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { parseJson } from '@labmesh/kit/parse-json';
import { type Principal, principalText, system } from '@labmesh/wire/fleet/principal';
import type { ChannelEnding } from '@labmesh/link/channel';
import type { RelayReport } from '@labmesh/link/channel-relay';
import type { Insertable, Selectable } from 'kysely';
import { evenPieces } from '../limits/batch.ts';

const worker = system('sessions');
const commandCharsMax = 4_096;
/** Agents of one look. */
export const arrivalsMax = 128;

export type SessionRow = Selectable<SessionsTable>;
export const newToken = (): string => randomBytes(16).toString('base64url');
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The command line as lists show it. */
export function commandText(open: Open): string | null {
  if (open.kind !== 'exec')
    return 'path' in open ? open.path : open.kind === 'forward' ? `${open.host}:${open.port}` : null;
  const text = open.argv === undefined ? (open.shell ?? '(login shell)') : open.argv.map(quote).join(' ');
  return text.slice(0, commandCharsMax);
}

const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

export type NewSession = {
  id: string;
  open: Open;
  serverId: string;
  agentId: string;
  principal: Principal;
  token: string;
  now: number;
};

const insertRow = preparedInsert('sessions', [
  'id',
  'created_at',
  'kind',
  'server_id',
  'agent_id',
  'principal_kind',
  'principal_id',
  'principal',
  'job',
  'command',
  'open',
  'tty',
  'state',
  'token_hash',
  'started_at',
]);

export function insertSession(tx: Writer, session: NewSession): Promise<void> {
  const { id, open, serverId, agentId, principal, token, now } = session;
  const exec = open.kind === 'exec' ? open : undefined;
  const row: Insertable<SessionsTable> = {
    id,
    created_at: now,
    kind: open.kind,
    server_id: serverId,
    agent_id: agentId,
    principal_kind: principal.kind,
    principal_id: principal.id,
    principal: principalText(principal),
    job: exec?.job ?? null,
    command: commandText(open),
    open: JSON.stringify('env' in open ? { ...open, env: {} } : open),
    tty: 'tty' in open && open.tty !== null ? 1 : 0,
    state: exec?.detach === true ? 'detached' : 'open',
    token_hash: tokenHash(token),
    started_at: now,
  };
  return insertRow(tx, [row]);
}

type SessionEnd = { session: string; at: number; exit: string | null; closeCode: number; recordingId: string | null };

const endRow = prepared<SessionEnd>((db, slot) =>
  db
    .updateTable('sessions')
    .set({
      state: 'ended',
      ended_at: slot.at,
      exit: slot.exit,
      close_code: slot.closeCode,
      recording_id: slot.recordingId,
    })
    .where('id', '=', slot.session)
    .where('ended_at', 'is', null),
);

export async function endSession(
  tx: Writer,
  report: Omit<RelayReport, 'bytes'>,
  at: number,
  recordingId: string | null,
): Promise<void> {
  const { session, exit, close } = report;
  const told = exit === undefined ? null : JSON.stringify(exit);
  await endRow(tx, { session, at, exit: told, closeCode: closeCodes[close.reason], recordingId });
}

/** @throws FleetError INTERNAL for a row that no OPEN is in. */
export function openOf(row: SessionRow): Open {
  const read = openSchema.safeParse(parseJson(row.open));
  if (!read.success) throw new FleetError('INTERNAL', { log: `the row of session ${row.id} holds no OPEN` });
  return read.data;
}

/** How a session of the store ended; undefined while it lives. */
export function endingOf({ ended_at, close_code }: SessionRow): ChannelEnding | undefined {
  if (ended_at === null) return undefined;
  const [reason] = Object.entries(closeCodes).find(([, code]) => code === close_code) ?? ['no-session'];
  return { reason: reason as CloseReason, text: '' };
}

export const findSession = (store: Store, principal: Principal, id: string): Promise<SessionRow | undefined> =>
  store.read(principal, (db) => db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst());

/** An agent that has just come, and the sessions that it still has. */
export type Arrival = { agentId: string; alive: readonly string[] };
export type Losing = {
  /** Whether a session's relay is on this replica. */
  here: (id: string) => boolean;
  /** Only those that began before, Unix ms. */
  before: number;
  now: number;
};

const openBefore = preparedList<{ agentId: string; before: number }, SessionRow>((db, items) =>
  db
    .selectFrom('sessions')
    .selectAll()
    // Indexed, and few: the agents' own sessions may be a year's.
    .where('state', 'in', ['open', 'detached'])
    .where(
      'agent_id',
      'in',
      items.map(({ agentId }) => agentId),
    )
    .where('started_at', '<', items[0]?.before ?? 0),
);

/** What agents that have just come do not know any more ended without us (EX-7). Gives the rows. */
export async function loseSessions(
  store: Store,
  arrivals: readonly Arrival[],
  { here, before, now }: Losing,
): Promise<SessionRow[]> {
  const alive = new Set(arrivals.flatMap((arrival) => arrival.alive));
  const lost: SessionRow[] = [];
  for (const piece of evenPieces(arrivals, arrivalsMax)) {
    const asked = piece.map(({ agentId }) => ({ agentId, before }));
    const open = await store.read(worker, (db) => openBefore(db, asked));
    lost.push(...open.filter((row) => !alive.has(row.id) && !here(row.id)));
  }
  if (lost.length === 0) return [];
  const ids = lost.map((row) => row.id);
  const news = { state: 'lost', ended_at: now, close_code: closeCodes['agent-restarted'] };
  // Between the look and this, a relay may have told an end of its own.
  const ended = await store.write(worker, (tx) =>
    tx.updateTable('sessions').set(news).where('id', 'in', ids).where('ended_at', 'is', null).returning('id').execute(),
  );
  const taken = new Set(ended.map(({ id }) => id));
  return lost.filter(({ id }) => taken.has(id));
}

/** It goes on without a client from here (EX-8). */
export async function detachSession(store: Store, id: string): Promise<void> {
  await store.write(worker, (tx) =>
    tx.updateTable('sessions').set({ state: 'detached' }).where('id', '=', id).where('state', '=', 'open').execute(),
  );
}

const idsMax = 400;

/** Those of the agents that still exist and whose server was not sent away (CA-9). */
export async function standingAgents(store: Store, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const standing = new Set<string>();
  for (let at = 0; at < ids.length; at += idsMax) {
    const rows = await store.read(worker, (db) =>
      db
        .selectFrom('agents')
        .innerJoin('servers', 'servers.id', 'agents.server_id')
        .select('agents.id')
        .where('agents.id', 'in', ids.slice(at, at + idsMax))
        .where('servers.status', 'not in', ['banned', 'retired'])
        .execute(),
    );
    for (const { id } of rows) standing.add(id);
  }
  return standing;
}

/** Kinds whose output is kept (EX-9), unless they say otherwise; kinds that count against the bounds. */
const recorded = new Set<Open['kind']>(['exec']);
export const isRecorded = (open: Open) => recorded.has(open.kind) && !(open.kind === 'exec' && open.noRecord);
const counted = new Set<Open['kind']>(['exec', 'attach']);
export const isCounted = ({ kind }: Open) => counted.has(kind);
