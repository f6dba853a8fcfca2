/**
 * Sessions of clients with agents: exec and its kin (2.9-2.11). An OPEN goes
 *
 *     parse → find server → decide → limits → audit start + session row → recorder → relay → audit end
 *
 * and nothing reaches an agent before its start row is committed (P1). A RESUME proves its token and principal, is
 * decided again, and joins the relay that is here, or begins a new one after a replica died (HB-6, RP-2).
 */
import type { First } from '@labmesh/link/first-frame';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { principalText, system } from '@labmesh/wire/fleet/principal';
import type { OpenOk, Resume } from '@labmesh/wire/frame/messages';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Caller } from '../login/caller.ts';
import { ComeBack } from './come-back.ts';
import { lastSeen, refusalOf, subjectOf } from './decide-open.ts';
import { failureReason } from './failure-reason.ts';
import { LiveSessions } from './live-sessions.ts';
import { Route } from './routes.ts';
import { recordBegin, RefusedOpens, sessionEntry, unlessMissed } from './session-record.ts';
import {
  commandText,
  endingOf,
  findSession,
  isCounted,
  isRecorded,
  newToken,
  openOf,
  type SessionRow,
  tokenHash,
} from './session-rows.ts';
import type { Aim, Aimed, SessionServiceParts } from './session-parts.ts';

const worker = system('sessions');
/** OPEN and RESUME of one identity under way: a flood of them must not fill the audit queue for everybody (AU-4). */
const judgingMax = 1_024;

const expired = { reason: 'denied', text: 'this login has expired: labctl login' } as const;
const ended = { text: 'this login was ended' } as const;

export class SessionService implements AsyncDisposable {
  readonly #parts: SessionServiceParts;
  readonly live: LiveSessions;
  readonly comeBack: ComeBack;
  /** OPEN and RESUME that are being judged, by who asks. */
  readonly #judging = new Map<string, number>();
  readonly #refused: RefusedOpens;
  /** Sessions begun here. */
  opened = 0;

  constructor(parts: SessionServiceParts) {
    this.#parts = parts;
    this.#refused = new RefusedOpens(parts);
    this.live = new LiveSessions(parts);
    this.comeBack = new ComeBack(parts, this.live);
  }

  /** OPEN or RESUME of a client. Never throws: what goes wrong closes the channel with its reason. */
  first(caller: Caller, raw: RawChannel, first: First): void {
    const who = `${caller.principal.kind}:${caller.principal.id}`;
    const judging = this.#judging.get(who) ?? 0;
    if (judging >= judgingMax) {
      this.#refused.note(caller, first, new FleetError('RATE_LIMITED'));
      return raw.close('limit', 'too many sessions begin at once');
    }
    this.#judging.set(who, judging + 1);
    const work = first.type === 'open' ? this.#open(caller, raw, first.open) : this.#resume(caller, raw, first.resume);
    const judged = work.finally(() => {
      const left = (this.#judging.get(who) ?? 1) - 1;
      if (left > 0) this.#judging.set(who, left);
      else this.#judging.delete(who);
    });
    void judged.catch((error: unknown) => {
      const { reason, text, known } = failureReason(error);
      this.#refused.note(caller, first, error);
      if (!known) this.#parts.log.error('a session could not be begun', { requestId: caller.requestId, error });
      raw.close(reason, text);
    });
  }

  async #open(caller: Caller, raw: RawChannel, asked: Aim['open']): Promise<void> {
    const { policies, denyList, limiter, work, routes, clock } = this.#parts;
    denyList.assertFresh();
    const { open, server, attached } = await this.#aim(caller, asked);
    const isExpired = (caller.expiresAt ?? Infinity) <= clock.wall();
    const refusal = isExpired ? expired : refusalOf(policies, subjectOf(caller), open, server, attached);
    if (refusal !== undefined || server === undefined || server.row.agentId === null) {
      const { reason, text } = refusal ?? { reason: 'agent-offline' as const, text: 'this server has no agent' };
      await this.#parts.audit.append({
        ...sessionEntry({ caller, open, server }),
        phase: 'single',
        result: 'denied',
        code: reason,
      });
      return raw.close(reason, text);
    }
    if (isCounted(open) && caller.principal.kind !== 'local') {
      const found = await limiter.take('exec', `${caller.principal.kind}:${caller.principal.id}`);
      if (!found.allowed) throw new FleetError('RATE_LIMITED', { retryAfterMs: found.retryAfterMs });
    }
    const route = new Route(routes, server.row.agentId, caller.principal);
    if (!(await route.find())) {
      const row = { ...sessionEntry({ caller, open, server }), phase: 'single', result: 'error' } as const;
      await this.#parts.audit.append({ ...row, code: 'agent-offline' });
      return raw.close('agent-offline', lastSeen(server));
    }
    using place = new DisposableStack();
    if (isCounted(open)) place.use(work.enter({ user: principalText(caller.principal), server: server.row.id }));
    await this.#begin({ caller, open, server, attached }, raw, route, place);
  }

  /** The server that an OPEN means; `attach` names a session. What the client said of itself is overwritten. */
  async #aim(caller: Caller, asked: Aim['open']): Promise<Aim> {
    const { store, view } = this.#parts;
    const { principal } = caller;
    if (asked.kind !== 'attach') return { open: asked, server: await view.find(principal, asked.server) };
    const row = await findSession(store, principal, asked.target);
    if (row === undefined) return { open: asked, server: undefined };
    return { open: asked, server: await view.find(principal, row.server_id), attached: openOf(row) };
  }

  async #begin(
    { caller, open: asked, server, attached }: Aimed,
    raw: RawChannel,
    route: Route,
    place: DisposableStack,
  ): Promise<void> {
    const { recorder, clock, routes, policies } = this.#parts;
    const { principal } = caller;
    const [id, token, now] = [uuidv7(), newToken(), clock.wall()];
    const term = 'tty' in asked ? asked.tty : null;
    const part = isRecorded(asked)
      ? recorder.begin({ session: id, term, command: commandText(asked), replicaId: routes.replicaId, part: 0 })
      : undefined;
    const { open, begun, isMissed } = await unlessMissed(asked, principal, part);
    const session = { id, open, serverId: server.row.id, agentId: server.row.agentId ?? '', principal, token, now };
    const recording = await recordBegin(this.#parts, { caller, open, server, isMissed }, session, begun);
    const answer = (ok: OpenOk): OpenOk => {
      if (open.kind === 'exec' && open.detach) queueMicrotask(() => relay.unattend());
      return { ...ok, session: id, token, recorded: recording !== undefined };
    };
    const relay = this.live.relay(id, open, route, recording, answer);
    this.live.add(id, {
      relay,
      caller,
      open,
      attached,
      server,
      route,
      startedAt: now,
      recording,
      place: place.move(),
      desertedAt: undefined,
    });
    this.opened++;
    // A right that was taken while the rows were written: whoever looked then did not see this session (RB-11).
    const late = this.#isEnded(caller) ? ended : refusalOf(policies, subjectOf(caller), open, server, attached);
    if (late !== undefined) {
      relay.end('revoked', late.text);
      return raw.close('revoked', late.text);
    }
    relay.start(raw, { ...open, session: id, server: server.row.id, principal: principalText(principal) });
  }

  async #resume(caller: Caller, raw: RawChannel, resume: Resume): Promise<void> {
    const { store, policies, denyList, view } = this.#parts;
    denyList.assertFresh();
    const row = await findSession(store, caller.principal, resume.session);
    const isTheirs =
      row !== undefined &&
      row.token_hash === tokenHash(resume.token) &&
      row.principal === principalText(caller.principal);
    if (!isTheirs || row.principal_id !== caller.principal.id) {
      if (row !== undefined) this.#noteStranger(caller, row);
      return raw.close('no-session');
    }
    const isOver = (past = this.live.endingOf(row.id)): boolean => {
      if (past !== undefined) raw.close(past.reason === 'ok' ? 'no-session' : past.reason, past.text);
      return past !== undefined;
    };
    if (isOver(this.live.endingOf(row.id) ?? endingOf(row))) return;
    const live = this.live.get(row.id) ?? (await this.comeBack.adopt(caller, row));
    if (live === undefined) return raw.close('no-session');
    const server = await view.find(caller.principal, row.server_id);
    const refusal = refusalOf(policies, subjectOf(caller), live.open, server, live.attached);
    if (refusal !== undefined) {
      live.relay.end('revoked');
      return raw.close('revoked', refusal.text);
    }
    if (this.#isEnded(caller)) {
      // What another login of theirs holds goes on.
      if (live.caller.session === caller.session) live.relay.end('revoked', ended.text);
      return raw.close('revoked', ended.text);
    }
    live.caller = caller;
    live.desertedAt = undefined;
    await live.route.find();
    // What cut the client may have ended the session meanwhile: it hears why.
    if (isOver()) return;
    live.relay.attachClient(raw, resume);
  }

  #isEnded({ session }: Caller): boolean {
    return session !== undefined && this.#parts.revoked.has(session);
  }

  /** Somebody came back to a session that is not theirs, or not with its token (AU-4). */
  #noteStranger({ principal, sourceIp, requestId }: Caller, row: SessionRow): void {
    const who = { principal, sourceIp, requestId, session: row.id, resourceId: row.server_id };
    const what = { action: `${row.kind}.resume`, phase: 'single', result: 'denied', code: 'no-session' } as const;
    this.#parts.audit.note({ ...who, ...what });
  }

  /** The agent of a session, from its row. */
  async agentOf(session: string): Promise<string | undefined> {
    return (await findSession(this.#parts.store, worker, session))?.agent_id;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.live[Symbol.asyncDispose]();
  }
}
