/**
 * Updates of this agent (AG-8, AG-9). labd wishes for a version; what is done about it is decided here:
 *
 *     wish ─▶ signature ─▶ fetch ─▶ hash ─▶ sessions are over (≤ 15 min) ─▶ trial written ─▶ current flipped ─▶ restart
 *                │                   │
 *                └───────────────────┴──▶ bad: remembered, told, never tried again
 *
 * and in the new version: connected for 30 s within 60 s ─▶ confirmed; else restart, and the guard goes back.
 */
import { rm } from 'node:fs/promises';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type AgentDesired, agentDesiredSchema, compareVersions, type UpdateState } from '@labmesh/wire/fleet/releases';
import type { Msg } from '@labmesh/wire/frame/messages';
import { type FetchOptions, fetchRelease, fileSha256 } from './fetch-release.ts';
import { isOnTrial, judge, prove } from './prove.ts';
import { isReleased } from './release-key.ts';
import type { BadReason } from './update-file.ts';
import type { UpdateGround } from './update-ground.ts';

export type UpdaterParts = {
  ground: UpdateGround;
  clock: Clock;
  log: Logger;
  /** The labd that we are connected to, and who we are; undefined: not connected. */
  labd: () => Pick<FetchOptions, 'labd' | 'client'> | undefined;
  /** How many commands and the like run now. */
  sessions: () => number;
  /** False: not sent now. */
  send: (msg: Msg) => boolean;
  /** Ends this process so that it is started again. */
  restart: () => void;
};

/** What is being done about a wish. */
type Work = { wish: AgentDesired; ending: AbortController };

const sessionsLookMs = 1_000;
const fetchWaits = { firstMs: 2_000, capMs: 30_000, waitsMax: 5 };

/** The release is not what it should be: its version is bad from now on. */
class BadRelease extends Error {
  readonly reason: BadReason;
  constructor(reason: BadReason) {
    super(`the release is bad: ${reason}`);
    this.name = 'BadRelease';
    this.reason = reason;
  }
}

const isSame = (a: AgentDesired, b: AgentDesired) => a.version === b.version && a.sha256 === b.sha256;

export class Updater {
  readonly #parts: UpdaterParts;
  readonly #confirmed = Promise.withResolvers<void>();
  #state: UpdateState;
  #work: Work | undefined;
  /** The last wish, while this version is on trial itself. */
  #later: AgentDesired | undefined;
  #connectedSince: number | undefined;
  #refused: string | undefined;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
    this.#state = isOnTrial(parts.ground) ? 'trial' : 'idle';
  }

  get state(): UpdateState {
    return this.#state;
  }
  /** Resolves when this version is beyond doubt. */
  get confirmed(): Promise<void> {
    return this.#confirmed.promise;
  }

  /** HELLO_OK came. */
  connected(): void {
    this.#connectedSince ??= this.#parts.clock.now();
    this.#report();
  }
  disconnected(): void {
    this.#connectedSince = undefined;
  }

  #report(): void {
    const { ground, send } = this.#parts;
    const badVersions = ground.file.read().bad.filter(({ open }) => !open);
    send({ kind: 'update-report', state: this.#state, badVersions: badVersions.map(({ version }) => version) });
  }

  #enter(state: UpdateState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#report();
  }

  /** Looks after this version itself, until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { ground, clock, log, restart } = this.#parts;
    const parts = { ground, clock, log, connectedSince: () => this.#connectedSince, signal };
    try {
      if (!(await prove(parts))) return restart();
      if (ground.folders.target('confirmed') === undefined) ground.folders.point('confirmed', ground.version);
      this.#confirmed.resolve();
      if (this.#state === 'trial') this.#enter('idle');
      if (this.#later !== undefined) this.wish(this.#later);
      if (await judge(parts)) this.#report();
    } catch (error) {
      if (!signal.aborted) log.error('updates are not looked after', { error });
    } finally {
      if (signal.aborted) this.#work?.ending.abort(signal.reason);
      else signal.addEventListener('abort', () => this.#work?.ending.abort(signal.reason), { once: true });
    }
  }

  /** MSG `desired`. What is not for an agent (addresses, a bastion's) is none of ours. */
  wish(desired: unknown): void {
    const wish = agentDesiredSchema.safeParse(desired).data;
    if (wish === undefined) return;
    if (this.#state === 'trial') {
      this.#later = wish;
      return;
    }
    // Told again while it is under way: only the hurry may be news.
    if (this.#work !== undefined && isSame(this.#work.wish, wish)) this.#work.wish = wish;
    else this.#begin(wish);
  }

  #begin(wish: AgentDesired): void {
    const { ground, log } = this.#parts;
    const { version } = wish;
    this.#work?.ending.abort(new Error('another version is wanted'));
    this.#work = undefined;
    if (version === ground.version) return this.#enter('idle');
    const refusal = this.#refusal(wish);
    if (refusal !== undefined) {
      // labd asks again and again; the log says it once.
      if (this.#refused !== version) log.warn('an update was refused', { version, reason: refusal });
      this.#refused = version;
      this.#state = 'idle';
      return this.#report();
    }
    const work = { wish, ending: new AbortController() };
    this.#work = work;
    void this.#update(work).catch((error: unknown) => this.#failed(work, error));
  }

  #refusal({ version, downgrade }: AgentDesired): string | undefined {
    const { ground } = this.#parts;
    if (ground.file.read().bad.some((one) => one.version === version)) return 'it turned out bad before';
    if (!downgrade && compareVersions(version, ground.version) < 0) return 'it is older than this one';
    return undefined;
  }

  #failed(work: Work, error: unknown): void {
    const { ground, clock, log } = this.#parts;
    const { version } = work.wish;
    if (this.#work !== work) return;
    this.#work = undefined;
    if (work.ending.signal.aborted) return;
    this.#state = 'idle';
    if (error instanceof BadRelease) {
      log.error('an update was refused for good', { version, reason: error.reason });
      ground.file.addBad({ version, reason: error.reason, at: clock.wall(), open: false });
    } else log.warn('an update did not come through; labd will ask again', { version, error });
    this.#report();
  }

  async #update(work: Work): Promise<void> {
    const { ground, clock, log, restart } = this.#parts;
    const { file, folders, version: from } = ground;
    const { version, ring } = work.wish;
    log.info('an update is wanted', { version, from, ring });
    // Before a byte of it is fetched.
    if (!isReleased(ground.key, work.wish, ground.arch)) throw new BadRelease('signature');
    await this.#provide(work);
    await this.#untilFree(work);
    file.write({ ...file.read(), trial: { version, from, startedAt: clock.wall(), starts: 0 } });
    folders.point('current', version);
    log.info('the update begins', { version, from });
    this.#enter('trial');
    restart();
  }

  /** The checked program in its folder. @throws BadRelease, FleetError, system errors. */
  async #provide(work: Work): Promise<void> {
    const { folders } = this.#parts.ground;
    const { version, sha256 } = work.wish;
    const { signal } = work.ending;
    if (folders.has(version) && (await fileSha256(folders.fileOf(version))) === sha256) return;
    this.#enter('fetching');
    const part = folders.partOf(sha256);
    await this.#fetch(work, part);
    const found = await fileSha256(part);
    signal.throwIfAborted();
    if (found !== sha256) {
      await rm(part, { force: true });
      throw new BadRelease('sha256');
    }
    folders.install(version, part);
  }

  async #fetch({ wish, ending: { signal } }: Work, part: string): Promise<void> {
    const { clock, log, labd, ground } = this.#parts;
    const { version, sha256 } = wish;
    for (const waitMs of backoff(fetchWaits)) {
      try {
        const who = labd();
        if (who === undefined) throw new Error('labd is away');
        return await fetchRelease({ ...who, version, arch: ground.arch, sha256, part, signal });
      } catch (error) {
        const known = error instanceof FleetError ? error : undefined;
        // A refusal stays one; a cut goes on from where it was.
        if (signal.aborted || (known !== undefined && known.status < 500 && known.code !== 'RATE_LIMITED')) throw error;
        log.info('the release could not be fetched yet', { version, error });
        await clock.sleep(Math.max(waitMs, known?.retryAfterMs ?? 0), signal);
      }
    }
    throw new Error('the release cannot be fetched now');
  }

  /** Waits for the end of all sessions, at most as long as is set; not at all when there is a hurry (AG-9). */
  async #untilFree(work: Work): Promise<void> {
    const { clock, ground, sessions } = this.#parts;
    const until = clock.now() + ground.delayMs;
    while (sessions() > 0 && !work.wish.now && clock.now() < until) {
      this.#enter('waiting');
      await clock.sleep(sessionsLookMs, work.ending.signal);
    }
    work.ending.signal.throwIfAborted();
  }
}
