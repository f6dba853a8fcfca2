/**
 * The sessions that live on this agent: opened by labd, kept over cuts and over labd's replicas, resumed by token
 * (HB-6), ended by labd or when nobody comes back (EX-7).
 *
 *     OPEN ─► refused: CLOSE
 *         └─► ready ─► OPEN_OK with a token ─► running ⇄ cut ─► over
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { First } from '@labmesh/link/first-frame';
import type { RawChannel } from '@labmesh/link/raw-channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { Resume } from '@labmesh/wire/frame/messages';
import type { Open, OpenKind } from '@labmesh/wire/frame/open';
import { ExecSession } from './exec/exec-session.ts';
import type { SessionOptions } from './session-options.ts';
import { type Answer, Refused, type SessionRun } from './session-run.ts';

/** How often cut sessions are looked at. */
const sweepMs = 1_000;
const tokenBytes = 16;
const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest();

/** Prepares one OPEN. `target` finds a running command by session id. @throws Refused */
export type OpenSession = (open: Open, target: (session: string) => ExecSession | undefined) => Promise<SessionRun>;

export type SessionParts = { clock: Clock; log: Logger; options: SessionOptions; open: OpenSession };

type Entry = {
  readonly id: string;
  readonly kind: OpenKind;
  readonly tokenHash: Buffer;
  readonly principal: string | undefined;
  readonly run: SessionRun;
  channel: ChannelEnd | undefined;
  /** Clock ms since which nobody is there; absent while somebody is. */
  cutSince: number | undefined;
};

export type OpenedSession = {
  session: string;
  /** base64url of 16 bytes for OPEN_OK; only its hash stays here. */
  token: string;
  answer: Answer;
  /** Begins, once OPEN_OK is on its way. Resolves when the session is over. */
  run(channel: ChannelEnd): Promise<void>;
};

/** Kinds that `agent.exec = false` switches off (AG-3). */
const byExec: ReadonlySet<OpenKind> = new Set(['exec', 'attach', 'copy-in', 'copy-out', 'forward']);

export class Sessions {
  readonly #parts: SessionParts;
  readonly #live = new Map<string, Entry>();
  /** Opens on their way, so that a burst cannot pass the bounds. */
  #opening = { all: 0, exec: 0 };
  #isSweeping = false;
  #runs = new Set<Promise<void>>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Takes what begins a channel on the link: answers OPEN or RESUME, or closes it with the reason. */
  take(raw: RawChannel, first: First): void {
    if (first.type === 'resume') {
      const channel = this.resume(first.resume);
      if (channel === undefined) raw.close('no-session');
      else channel.resumeFrom(raw, first.resume);
      return;
    }
    this.#accept(raw, first.open).catch((error: unknown) => {
      if (error instanceof Refused) return raw.close(error.reason, error.message);
      this.#parts.log.error('a session could not be opened', { error, kind: first.open.kind });
      raw.close('internal');
    });
  }

  async #accept(raw: RawChannel, open: Open): Promise<void> {
    const opened = await this.open(open);
    const { session, token, answer } = opened;
    void opened.run(ChannelEnd.accept(raw, open, { session, more: { token, ...answer } }));
  }

  /** Prepares a session; the caller sends OPEN_OK and then calls `run`. @throws Refused */
  async open(open: Open): Promise<OpenedSession> {
    const { options } = this.#parts;
    if (!options.exec && byExec.has(open.kind)) {
      throw new Refused('denied', 'this server’s agent does not allow that (agent.exec)');
    }
    const session = open.session ?? Bun.randomUUIDv7();
    if (this.#live.has(session)) throw new Refused('protocol', 'that session is open already');
    const isExec = open.kind === 'exec' ? 1 : 0;
    const execs = this.#opening.exec + [...this.#live.values()].filter(({ kind }) => kind === 'exec').length;
    if (isExec === 1 && execs >= options.execMax) throw new Refused('limit', 'this server runs too many commands');
    if (this.#opening.all + this.#live.size >= options.sessionsMax) {
      throw new Refused('limit', 'this server has too many sessions');
    }
    this.#opening.all += 1;
    this.#opening.exec += isExec;
    try {
      const run = await this.#parts.open({ ...open, session }, (id) => this.#command(id));
      return this.#ready(session, open, run);
    } finally {
      this.#opening.all -= 1;
      this.#opening.exec -= isExec;
    }
  }

  #command(session: string): ExecSession | undefined {
    const run = this.#live.get(session)?.run;
    return run instanceof ExecSession ? run : undefined;
  }

  #ready(session: string, open: Open, run: SessionRun): OpenedSession {
    const token = randomBytes(tokenBytes).toString('base64url');
    const entry: Entry = {
      id: session,
      kind: open.kind,
      tokenHash: sha256(token),
      principal: open.principal,
      run,
      channel: undefined,
      cutSince: undefined,
    };
    this.#live.set(session, entry);
    return { session, token, answer: run.answer, run: (channel) => this.#run(entry, channel) };
  }

  async #run(entry: Entry, channel: ChannelEnd): Promise<void> {
    entry.channel = channel;
    this.#sweep();
    const running = entry.run.run(channel).catch((error: unknown) => {
      this.#parts.log.error('a session ended in an error', { error, kind: entry.kind, session: entry.id });
      channel.close('internal');
    });
    this.#runs.add(running);
    await running;
    this.#runs.delete(running);
    this.#live.delete(entry.id);
  }

  /** The channel that RESUME goes on with; undefined: no such session, another token, or another principal. */
  resume(resume: Resume): ChannelEnd | undefined {
    const entry = this.#live.get(resume.session);
    if (entry === undefined) return undefined;
    // labd, the only one at the other end of the link, has checked token and principal itself (HB-6).
    if (resume.token === '') return entry.channel;
    if (!timingSafeEqual(entry.tokenHash, sha256(resume.token))) return undefined;
    return entry.principal === resume.principal ? entry.channel : undefined;
  }

  /** Ids of live sessions, for HELLO. */
  list(): string[] {
    return [...this.#live.keys()];
  }

  get(session: string): { kind: OpenKind; channel: ChannelEnd | undefined } | undefined {
    return this.#live.get(session);
  }

  /** Ends a session at once (killed, revoked), whatever it does; false when it is not here. */
  end(session: string, reason: CloseReason, text = ''): boolean {
    const entry = this.#live.get(session);
    if (entry === undefined) return false;
    entry.channel?.abort(reason, text);
    entry.run.end?.();
    return true;
  }

  /** Ends them all and waits until their processes are gone. */
  async endAll(reason: CloseReason): Promise<void> {
    for (const session of this.list()) this.end(session, reason);
    await Promise.all(this.#runs);
  }

  /** Looks each second for sessions that nobody came back to; stands still while there are none. */
  #sweep(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    void this.#sweepOn();
  }

  async #sweepOn(): Promise<void> {
    while (this.#live.size > 0) {
      this.#endOrphans(this.#parts.clock.now());
      await this.#parts.clock.sleep(sweepMs);
    }
    this.#isSweeping = false;
  }

  #endOrphans(now: number): void {
    for (const entry of this.#live.values()) {
      if (entry.channel?.isCut !== true) entry.cutSince = undefined;
      else if (entry.cutSince === undefined) entry.cutSince = now;
      // A command that was not detached hears it by its channel and is hung up.
      else if (now - entry.cutSince >= this.#parts.options.orphanTtlMs) entry.channel.abort('link-lost');
    }
  }
}
