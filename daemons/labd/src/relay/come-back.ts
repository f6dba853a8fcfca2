/** Sessions that outlived something: a replica of labd (RP-2), or an agent that came back without them (EX-7). */
import { principalSchema, system } from '@labmesh/wire/fleet/principal';
import { requestId } from '@labmesh/wire/ids';
import { Batch } from '../limits/batch.ts';
import type { Caller } from '../login/caller.ts';
import type { LiveSession } from './live-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { Route } from './routes.ts';
import type { Aim, SessionServiceParts } from './session-parts.ts';
import {
  type Arrival,
  arrivalsMax,
  findSession,
  isRecorded,
  loseSessions,
  openOf,
  type SessionRow,
} from './session-rows.ts';

const worker = system('sessions');
/** A session younger than this may be on its way to the agent. */
const settledMs = 30_000;

export class ComeBack {
  readonly #parts: SessionServiceParts;
  readonly #live: LiveSessions;
  readonly #arrivals = new Batch<Arrival, void>(arrivalsMax, (arrivals) => this.#lose(arrivals));

  constructor(parts: SessionServiceParts, live: LiveSessions) {
    this.#parts = parts;
    this.#live = live;
  }

  /** A session whose relay was on a replica that is gone: the ends hold everything, a new relay joins them. */
  async adopt(caller: Caller, row: SessionRow): Promise<LiveSession | undefined> {
    const { view, recorder, routes, clock } = this.#parts;
    const server = await view.find(caller.principal, row.server_id);
    if (server === undefined) return undefined;
    const { open, attached } = await this.#aimAgain(row);
    const route = new Route(routes, row.agent_id, caller.principal);
    // Parts go up with time, so that any replica may write the next one without asking: in ms, as a part has its number
    // alone, and a client that is cut again and again moves more than once a second.
    const part = Math.max(0, clock.wall() - row.started_at) + 1;
    const term = 'tty' in open ? open.tty : null;
    const recording = isRecorded(open)
      ? await recorder.start({ session: row.id, term, command: row.command, replicaId: routes.replicaId, part })
      : undefined;
    const raced = this.#live.get(row.id);
    if (raced !== undefined) {
      await recording?.end();
      return raced;
    }
    const relay = this.#live.relay(row.id, open, route, recording);
    const live: LiveSession = {
      relay,
      caller,
      open,
      attached,
      server,
      route,
      startedAt: row.started_at,
      recording,
      place: undefined,
      desertedAt: undefined,
    };
    this.#live.add(row.id, live);
    return live;
  }

  /** What a row's OPEN asked for, and what it attached to. */
  async #aimAgain(row: SessionRow): Promise<Pick<Aim, 'open' | 'attached'>> {
    const open = openOf(row);
    const target = open.kind === 'attach' ? await findSession(this.#parts.store, worker, open.target) : undefined;
    return { open, ...(target !== undefined && { attached: openOf(target) }) };
  }

  /** Goes on with a detached command whose relay is gone: as its user, with nobody there (EX-8). */
  async adoptDetached(row: SessionRow): Promise<void> {
    const { principal_kind: kind, principal_id: id, principal } = row;
    const name = principal.slice(principal.indexOf(':') + 1);
    const who = principalSchema.parse({ kind, id, name });
    const live = await this.adopt({ principal: who, sourceIp: '', requestId: requestId() }, row);
    if (live === undefined || live.relay.hasAgent) return;
    live.relay.unattend();
    if (await live.route.find()) live.relay.agentBack();
  }

  /** An agent has come: what it does not know any more ended without us, by a restart of it or of this labd (EX-7). */
  agentCame(agentId: string, alive: readonly string[]): Promise<void> {
    return this.#arrivals.add({ agentId, alive });
  }

  async #lose(arrivals: readonly Arrival[]): Promise<void[]> {
    const { store, audit, clock } = this.#parts;
    const here = (id: string) => this.#live.get(id) !== undefined;
    const now = clock.wall();
    const lost = await loseSessions(store, arrivals, { here, before: now - settledMs, now });
    const base = { principal: worker, phase: 'end', result: 'error', code: 'agent-restarted' } as const;
    const appends = lost.map(({ id, kind, server_id }) =>
      audit.append({ ...base, action: `${kind}.open`, session: id, resourceId: server_id }, { patient: true }),
    );
    await Promise.all(appends);
    return [];
  }
}
