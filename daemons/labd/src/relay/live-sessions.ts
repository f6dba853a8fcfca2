/**
 * The sessions whose relay is on this replica: kept while ends come and go, cut when they lose their right, ended when
 * nobody comes back, and recorded when they are over (EX-7, RB-11).
 */
import type { ChannelEnding } from '@labmesh/link/channel';
import { ChannelRelay, type RelayReport } from '@labmesh/link/channel-relay';
import { windowOf } from '@labmesh/link/first-frame';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { OpenOk } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import type { SessionRecording } from '../recordings/session-recording.ts';
import { refusalOf, subjectOf } from './decide-open.ts';
import type { LiveSession, LiveSessionsParts } from './live-session.ts';
import { RecorderTap } from './recorder-tap.ts';
import type { Route } from './routes.ts';
import { recordEnd, writeRecordingEnd } from './session-record.ts';
import { detachSession, standingAgents } from './session-rows.ts';

const sweepMs = 500;
/** How long an ending is known to whoever comes back for it; most of them. */
const pastMs = 60_000;
const pastMax = 10_000;

export class LiveSessions implements AsyncDisposable {
  readonly #parts: LiveSessionsParts;
  readonly #live = new Map<string, LiveSession>();
  /** Endings of the last minute, with clock.now(), oldest first: their rows may not be written yet. */
  readonly #past = new Map<string, { ending: ChannelEnding; at: number }>();
  readonly #timer: NodeJS.Timeout;
  readonly #stops: (() => void)[];
  readonly #endings = new Set<Promise<unknown>>();
  #sweeping: Promise<void> | undefined;
  /** Bytes of sessions that ended here. */
  bytes = 0;

  constructor(parts: LiveSessionsParts) {
    this.#parts = parts;
    const sweep = () => void (this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined)));
    this.#timer = setInterval(sweep, sweepMs);
    const recheck = () => void this.#recheck();
    this.#stops = [parts.policies.onChange(recheck), parts.denyList.onChange(() => this.#cutDenied())];
  }

  get size(): number {
    return this.#live.size;
  }
  get(session: string): LiveSession | undefined {
    return this.#live.get(session);
  }
  /** How a session ended here not long ago. */
  endingOf(session: string): ChannelEnding | undefined {
    return this.#past.get(session)?.ending;
  }
  add(session: string, live: LiveSession): void {
    this.#live.set(session, live);
  }

  /** A relay for one session, with its recording as tap. */
  relay(
    session: string,
    open: Open,
    route: Route,
    recording: SessionRecording | undefined,
    answer?: (ok: OpenOk) => OpenOk,
  ): ChannelRelay {
    const tap = recording === undefined ? undefined : new RecorderTap(recording);
    const relay = new ChannelRelay({
      session,
      reach: route.reach,
      window: windowOf(open),
      agentLost: () => void this.#findAgent(session),
      ended: (report) => this.#ended(report),
      ...(answer !== undefined && { answer }),
      ...(tap !== undefined && { tap }),
    });
    tap?.join(relay);
    return relay;
  }

  /** The agent may be elsewhere already: looked for at once, then at each sweep. */
  async #findAgent(session: string): Promise<void> {
    const live = this.#live.get(session);
    if (live !== undefined && (await live.route.find().catch(() => false))) live.relay.agentBack();
  }

  #ended(report: RelayReport): void {
    const live = this.#live.get(report.session);
    if (live === undefined) return;
    this.#live.delete(report.session);
    this.bytes += report.bytes.in + report.bytes.out + report.bytes.err;
    live.place?.[Symbol.dispose]();
    if (report.close.reason !== 'superseded') this.#remember(report);
    const work = this.#recordEnd(live, report).catch((error: unknown) => {
      this.#parts.log.error('the end of a session was not recorded', { session: report.session, error });
    });
    this.#endings.add(work);
    void work.finally(() => this.#endings.delete(work));
  }

  #remember({ session, close }: RelayReport): void {
    const [oldest] = this.#past.keys();
    if (oldest !== undefined && this.#past.size >= pastMax) this.#past.delete(oldest);
    this.#past.set(session, { ending: close, at: this.#parts.clock.now() });
  }

  async #recordEnd(live: LiveSession, report: RelayReport): Promise<void> {
    const { recording } = live;
    if (report.close.reason !== 'superseded') return recordEnd(this.#parts, live, report, this.#parts.clock.wall());
    // Another replica goes on with it, and will tell the end.
    if (recording !== undefined) await writeRecordingEnd(this.#parts, recording.id, await recording.end());
  }

  /** Ends a session if its relay is here (EX-11). */
  end(session: string, reason: CloseReason, text = ''): void {
    this.#live.get(session)?.relay.end(reason, text);
  }

  /** Ends the sessions of a login that was revoked. */
  endLogin(login: string): void {
    for (const { relay, caller } of this.#live.values()) if (caller.session === login) relay.end('revoked');
  }

  /** Brings waiting ends together again, and ends what nobody comes back to (EX-7). */
  async #sweep(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const [session, { at }] of this.#past) if (now - at > pastMs) this.#past.delete(session);
    for (const live of this.#live.values()) {
      const { relay } = live;
      if (relay.hasClient || relay.isUnattended) {
        live.desertedAt = undefined;
        if (relay.isUnattended && live.isMarked !== true) await this.#markDetached(live);
        if (!relay.hasAgent && (await live.route.find().catch(() => false))) relay.agentBack();
        continue;
      }
      live.desertedAt ??= now;
      if (now - live.desertedAt > this.#parts.orphanTtlMs) relay.end('timeout', 'nobody came back');
    }
  }

  /** Left by its client in the middle (EX-8): others see it in its row. */
  async #markDetached(live: LiveSession): Promise<void> {
    const { store, log } = this.#parts;
    try {
      await detachSession(store, live.relay.session);
      live.isMarked = true;
    } catch (error) {
      log.warn('a session is not known as detached yet', { session: live.relay.session, error });
    }
  }

  /** RB-11: what lost its right is cut, whoever changed it on whichever replica. */
  async #recheck(): Promise<void> {
    const { policies, view } = this.#parts;
    for (const live of this.#live.values()) {
      const server = await view.find(live.caller.principal, live.server.row.id).catch(() => live.server);
      const refusal = refusalOf(policies, subjectOf(live.caller), live.open, server, live.attached);
      if (refusal !== undefined) live.relay.end('revoked', refusal.text);
    }
  }

  /** CA-8: what a denied identity began ends with it, and what runs on a server that was sent away. */
  #cutDenied(): void {
    const { denyList, log } = this.#parts;
    void this.#cutGone().catch((error: unknown) => log.warn('sessions of agents that may be gone go on', { error }));
    for (const { relay, caller } of this.#live.values()) {
      const { serial, keyHash, uri } = caller;
      if (serial === undefined || keyHash === undefined) continue;
      if (denyList.check({ serial, keyHash, ...(uri !== undefined && { identity: uri }) }) !== undefined)
        relay.end('revoked');
    }
  }

  /** CA-9: nobody waits for an agent that will not be let in again. */
  async #cutGone(): Promise<void> {
    const ids = [...new Set([...this.#live.values()].flatMap(({ server }) => server.row.agentId ?? []))];
    const standing = await standingAgents(this.#parts.store, ids);
    for (const { relay, server } of this.#live.values()) {
      const { agentId, hostname } = server.row;
      if (agentId !== null && ids.includes(agentId) && !standing.has(agentId))
        relay.end('revoked', `server/${hostname} was banned or removed`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
    await this.#sweeping;
    // The relays are left as they are: both ends go on with another replica (RP-2).
    await Promise.allSettled(this.#endings);
  }
}
