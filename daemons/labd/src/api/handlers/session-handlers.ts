/** Sessions, live and past, their recordings, and what bastions report (EX-11, HB-12). */
import { page } from '@labmesh/store/page';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store } from '@labmesh/store/store';
import type { Policies } from '../../access/policies.ts';
import type { FleetView } from '../../hub/fleet-view.ts';
import type { Recorder } from '../../recordings/recorder.ts';
import type { Sealer } from '../../secrets/sealer.ts';
import { findPart, type ReadOptions, readRecording, sealedPart } from '../../recordings/read-recording.ts';
import type { PeerParts } from '../../relay/peer-parts.ts';
import { findSession, type SessionRow } from '../../relay/session-rows.ts';
import type { HandlersOf } from '../handler.ts';
import { serverLog, type ServerLogParts } from '../streams/server-log.ts';
import type { AnyCall } from './server-handlers.ts';

type Names =
  | 'list-sessions'
  | 'get-session'
  | 'kill-session'
  | 'get-recording'
  | 'get-recording-part'
  | 'stream-server-log';

export type SessionHandlerParts = ServerLogParts & {
  store: Store;
  policies: Policies;
  view: FleetView;
  secrets: Sealer;
  recorder: Recorder;
  archive: ReadOptions['archive'];
  /** This replica. */
  audit: { chain: string };
  killSession(session: string, agentId: string): Promise<void>;
  parts: Pick<PeerParts, 'fetch'>;
};

const shown = (row: SessionRow, hostname: string | null) => ({
  id: row.id,
  kind: row.kind,
  serverId: row.server_id,
  hostname: hostname ?? row.server_id,
  principal: row.principal,
  job: row.job,
  command: row.command,
  tty: row.tty === 1,
  state: row.state as 'open',
  startedAt: timeText(row.started_at),
  endedAt: timeTextOrNull(row.ended_at),
  exit: row.exit === null ? null : (parseJson(row.exit) ?? null),
  closeCode: row.close_code,
  recordingId: row.recording_id,
});

async function listSessions(
  call: Parameters<HandlersOf<'list-sessions'>['list-sessions']>[0],
  { store, policies }: SessionHandlerParts,
) {
  const { limit, cursor, job, server, state } = call.query;
  const may = policies.condition(call.subject, 'list', 'sessions');
  const found = await store.read(call.caller.principal, (db) => {
    let rows = db
      .selectFrom('sessions')
      .leftJoin('servers', 'servers.id', 'sessions.server_id')
      .selectAll('sessions')
      .select('servers.hostname')
      // A session is named by its server: rules such as `list on sessions/web-*`.
      .where(may.where({ name: 'servers.hostname', server: 'servers' }));
    if (job !== undefined) rows = rows.where('sessions.job', '=', job);
    if (state !== undefined) rows = rows.where('sessions.state', '=', state);
    if (server !== undefined)
      rows = rows.where((eb) => eb.or([eb('servers.hostname', '=', server), eb('sessions.server_id', '=', server)]));
    const inner = rows.as('rows');
    return page(db.selectFrom(inner).selectAll(), {
      list: 'sessions',
      by: [{ column: 'id', type: 'text' }],
      descending: true,
      limit,
      cursor,
    });
  });
  return { items: found.items.map((row) => shown(row, row.hostname)), nextCursor: found.nextCursor };
}

/** The session that a path names, judged by the server it was on. */
async function sessionFor(call: AnyCall, { store, view }: SessionHandlerParts, verb: 'get' | 'kill' | 'play') {
  const id = call.params['id'] ?? '';
  const row = await findSession(store, call.caller.principal, id);
  const server = row === undefined ? undefined : await view.find(call.caller.principal, row.server_id);
  const kind = verb === 'play' ? 'recordings' : 'sessions';
  call.may(verb, { kind, name: server?.row.hostname ?? id, labels: server?.targetLabels ?? {} });
  if (row === undefined) throw new FleetError('NOT_FOUND', { message: `there is no session ${id}` });
  call.note({ resource: `session/${id}`, resourceId: id, session: id });
  return { row, hostname: server?.row.hostname ?? null };
}

export function sessionHandlers(core: SessionHandlerParts): HandlersOf<Names> {
  const { store, secrets, recorder, archive } = core;
  return {
    'list-sessions': (call) => listSessions(call, core),
    'get-session': async (call) => {
      const { row, hostname } = await sessionFor(call, core, 'get');
      return shown(row, hostname);
    },
    'kill-session': async (call) => {
      const { row } = await sessionFor(call, core, 'kill');
      if (row.ended_at !== null) throw new FleetError('CONFLICT', { message: 'this session is over' });
      await core.killSession(row.id, row.agent_id);
      return { ok: true };
    },
    'get-recording': async (call) => {
      const { row } = await sessionFor(call, core, 'play');
      const bytes = readRecording(
        { store, secrets, folder: recorder.folder, archive, replicaId: core.audit.chain, fetchPart: core.parts.fetch },
        call.caller.principal,
        row.id,
      );
      return streamed(bytes, 'application/x-asciicast');
    },
    'stream-server-log': (call) => serverLog(call, core),
    'get-recording-part': async (call) => {
      const id = call.params['id'] ?? '';
      const row = await findPart(store, call.caller.principal, id);
      const sealed = row === undefined ? undefined : await sealedPart(recorder.folder, row, archive);
      if (sealed === undefined) throw new FleetError('NOT_FOUND', { message: 'that part is not here' });
      call.note({ resource: `recording/${id}`, ...(row !== undefined && { session: row.session_id }) });
      return streamed(sealed, 'application/octet-stream');
    },
  };
}

/** An answer in pieces as they are read. @throws FleetError NOT_FOUND when there is none. */
async function streamed(pieces: AsyncIterable<Uint8Array>, type: string): Promise<Response> {
  const bytes = pieces[Symbol.asyncIterator]();
  const first = await bytes.next();
  if (first.done === true) throw new FleetError('NOT_FOUND', { message: 'this session was not recorded' });
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(first.value),
    pull: async (controller) => {
      const next = await bytes.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => void (await bytes.return?.()),
  });
  return new Response(body, { headers: { 'Content-Type': type } });
}
