/**
 * The gateway's part of the verification plane, put together: what is decided before a relay, done in place of it, or
 * looked at after it. `passthrough` passes by after a look at two fields.
 */
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { VerificationModeSet } from '@labmesh/wire/admin';
import { ApiError } from '@labmesh/wire/errors';
import {
  type VerificationBlock,
  type VerificationMode,
  verificationModeField,
  verificationModes,
} from '@labmesh/wire/verification/verification-block';
import type { Identity } from '../access/authenticate.ts';
import type { ArenaClient } from '../arena/arena-client.ts';
import { KeptResults } from '../cache/kept-results.ts';
import type { Asked } from './asked.ts';
import { type Decided, decideVerification } from './decide-verification.ts';
import { intercept, type InterceptEnd } from './intercept.ts';
import type { VerificationOptions } from '../verification-options.ts';
import { type RelayTo, WatchedAnswers } from './watched-answers.ts';

export class Verification implements Disposable {
  readonly arena: ArenaClient | undefined;
  readonly kept: KeptResults;
  readonly watched: WatchedAnswers;
  /** Told how each verification ended, by mode; the metrics listen here. */
  onResult: (mode: string, result: string) => void = () => {};
  readonly #options: VerificationOptions;
  readonly #clock: Clock;
  /** Of answers that nothing else has a mode for. */
  #mode: VerificationMode;
  /** Runs that wait for their verdict. */
  readonly #running = new Set<AbortController>();

  constructor(parts: { options: VerificationOptions; arena: ArenaClient | undefined; clock: Clock; log: Logger }) {
    const { options, arena, clock } = parts;
    this.arena = arena;
    this.#options = options;
    this.#clock = clock;
    this.#mode = options.verificationMode;
    this.watched = new WatchedAnswers({ ...parts, count: (mode, result) => this.onResult(mode, result) });
    const { verificationCacheMax: entriesMax, verificationCacheBytesMax: bytesMax, verificationCacheS } = options;
    const limits = { entriesMax, bytesMax, ttlMs: verificationCacheS * 1000 };
    this.kept = new KeptResults({ limits, arena, clock });
  }

  /** Undefined = relay only. @throws ApiError insufficient_scope, verification_bad_option */
  decide(
    identity: Identity,
    body: ScannedBody,
    verifiable: boolean,
    aliasMode: VerificationMode | undefined,
  ): Decided | undefined {
    const decided = decideVerification(identity, body, verifiable, aliasMode ?? this.#mode);
    if (decided === undefined || decided.block.on_fail !== undefined) return decided;
    const takesAny = this.#options.verificationOnInvalid === 'return_unverified';
    return { ...decided, block: { ...decided.block, on_fail: takesAny ? 'best_effort' : 'error' } };
  }

  get mode(): VerificationMode {
    return this.#mode;
  }

  /**
   * Holds from the next request on, until the gateway ends: what the settings say is not written over.
   * @throws ApiError invalid_value for a word that is no mode, verification_unavailable where nobody could verify
   */
  setMode(word: string): VerificationModeSet {
    const read = verificationModeField.safeParse(word);
    if (!read.success)
      throw new ApiError('invalid_value', {
        param: 'mode',
        message: `'mode' is one of ${verificationModes.join(', ')}`,
      });
    // Every answer would be refused from now on.
    if (read.data !== 'passthrough' && this.arena === undefined)
      throw new ApiError('verification_unavailable', { message: 'this gateway has no arena' });
    const before = this.#mode;
    this.#mode = read.data;
    return { mode: read.data, before };
  }

  /** Answers the exchange: after the verdict, or by `relay` with a look at it afterwards. */
  answer(asked: Asked, decided: Decided, relay: RelayTo): Promise<RelayOutcome> {
    const { mode, block } = decided;
    return mode === 'intercept'
      ? this.#intercept(asked, block, relay)
      : this.watched.relay(asked, { mode, block }, relay);
  }

  async #intercept(asked: Asked, block: VerificationBlock, relay: RelayTo): Promise<RelayOutcome> {
    const { verificationWaitMs, verificationCommentS, verificationWaitingMax, compatVaas } = this.#options;
    const end = await intercept(
      {
        arena: this.arena,
        kept: this.kept,
        clock: this.#clock,
        running: this.#running,
        settings: {
          waitMs: verificationWaitMs,
          commentMs: verificationCommentS * 1000,
          withShadowArena: compatVaas,
          runsMax: verificationWaitingMax,
        },
      },
      asked,
      block,
    );
    this.onResult('intercept', resultOf(end));
    if (end.type === 'pass') return relay(end.exchange);
    const { status, error } = end;
    // What variations took was booked as the arena asked for them: this request itself took nothing.
    const none = { endpoint: undefined, attempts: 0, queueMs: 0, ttftMs: undefined, usage: undefined };
    return { status, code: error?.code, detail: error?.log, ...none };
  }

  /** At the end of a drain: those who wait for a verdict are told that there will be none. */
  shutDown(): void {
    for (const controller of this.#running) controller.abort(new ApiError('server_shutting_down'));
  }

  [Symbol.dispose](): void {
    this.shutDown();
    this.watched[Symbol.dispose]();
  }
}

/** The word an end is counted under. */
function resultOf(end: InterceptEnd): string {
  if (end.type === 'pass') return 'passed_on';
  if (end.error !== undefined) return end.error.code;
  if (end.result === undefined) return 'left';
  return end.cached ? 'cached' : end.result.report.status;
}
