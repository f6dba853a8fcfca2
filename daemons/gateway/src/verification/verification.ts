/**
 * The gateway's part of the verification plane, put together: what is decided before a relay, done in place of it, or
 * looked at after it. `passthrough` passes by after a look at two fields.
 */
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import type { Clock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { Logger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import { cleanRequestId } from '@labmesh/wire/ids';
import type { VerificationMode } from '@labmesh/wire/verification/verification-block';
import { type Identity, keyIdOf, tenantOf } from '../access/authenticate.ts';
import { AfterAnswers, type CountResult } from './after-answers.ts';
import { AnswerCopy, CopyBudget } from './answer-copy.ts';
import type { ArenaClient } from './arena-client.ts';
import { type Decided, decideVerification } from './decide-verification.ts';
import { intercept, type InterceptEnd } from './intercept.ts';
import { readAnswer } from './read-answer.ts';
import { readChatRequest } from './read-chat-request.ts';
import { ResultCache } from './result-cache.ts';
import type { VerificationOptions } from './verification-options.ts';

export type VerificationParts = {
  options: VerificationOptions;
  arena: ArenaClient | undefined;
  clock: Clock;
  log: Logger;
};

/** One chat request on its way. */
export type Asked = {
  exchange: Exchange;
  requestId: string;
  identity: Identity;
  body: ScannedBody;
  /** The model's name as the client wrote it. */
  name: string;
};

export class Verification implements Disposable {
  readonly arena: ArenaClient | undefined;
  readonly cache: ResultCache;
  /** Told how each verification ended; the metrics listen here. */
  onResult: CountResult = () => {};
  readonly #options: VerificationOptions;
  readonly #clock: Clock;
  readonly #after: AfterAnswers;
  readonly #budget: CopyBudget;
  readonly #running = new Set<AbortController>();

  constructor(parts: VerificationParts) {
    const { options, arena, clock, log } = parts;
    this.arena = arena;
    this.#options = options;
    this.#clock = clock;
    this.#budget = new CopyBudget(options.verificationHeldBytesMax);
    const waitingMax = options.verificationWaitingMax;
    const count: CountResult = (mode, result) => this.onResult(mode, result);
    this.#after = new AfterAnswers({ arena, waitingMax, clock, log, count });
    this.cache = new ResultCache(
      {
        entriesMax: options.verificationCacheMax,
        bytesMax: options.verificationCacheBytesMax,
        ttlMs: options.verificationCacheS * 1000,
      },
      clock,
    );
  }

  /** Answers that wait to be offered. */
  get waiting(): number {
    return this.#after.waiting;
  }
  /** Bytes kept for them and for answers on their way. */
  get heldBytes(): number {
    return this.#budget.held;
  }

  /** Undefined = relay only. @throws ApiError insufficient_scope, verification_bad_option */
  decide(
    identity: Identity,
    body: ScannedBody,
    verifiable: boolean,
    aliasMode: VerificationMode | undefined,
  ): Decided | undefined {
    return decideVerification(identity, body, verifiable, aliasMode ?? this.#options.verificationMode);
  }

  /** Answers after the verdict, or says that a plain answer is to be given. */
  async intercept(asked: Asked, { block }: Decided): Promise<InterceptEnd> {
    const { exchange, requestId, identity, body, name } = asked;
    const { verificationWaitMs, verificationCommentS, compatVaas } = this.#options;
    const end = await intercept(
      {
        arena: this.arena,
        cache: this.cache,
        clock: this.#clock,
        running: this.#running,
        settings: {
          waitMs: verificationWaitMs,
          commentMs: verificationCommentS * 1000,
          withShadowArena: compatVaas,
        },
      },
      {
        exchange,
        requestId,
        owner: {
          tenant: tenantOf(identity),
          scopes: identity.type === 'key' ? identity.key.scopes : [],
        },
        key: keyIdOf(identity),
        request: readChatRequest(body, name),
        block,
      },
    );
    this.onResult('intercept', resultOf(end));
    return end;
  }

  /**
   * Relays by `relay` and looks at the answer afterwards: audit checks that answer, shadow tries variations too. What is
   * given to `relay` leaves the answer's bytes and their time alone.
   */
  async watch(
    asked: Asked,
    decided: Decided,
    relay: (exchange: Exchange) => Promise<RelayOutcome>,
  ): Promise<RelayOutcome> {
    const { mode, block } = decided;
    if (mode === 'intercept') throw new Error('intercept is no watching');
    const sample = block.sample ?? this.#options.verificationSample;
    if (this.arena === undefined || Math.random() >= sample) {
      this.onResult(mode, this.arena === undefined ? 'unavailable' : 'skipped');
      return relay(asked.exchange);
    }
    // Never the client's own: the arena answers an id that it knows with the run it knows.
    const offerId = cleanRequestId(undefined);
    const copy = new AnswerCopy(asked.exchange, this.#budget, offerId);
    const outcome = await relay(copy).catch((error: unknown) => {
      copy[Symbol.dispose]();
      throw error;
    });
    const taken = asked.body.bytes.length;
    if (outcome.status !== 200 || outcome.code !== undefined || copy.cut || !this.#budget.take(taken)) {
      copy[Symbol.dispose]();
      // A refused or broken answer is none; only what had no room counts.
      if (outcome.status === 200 && outcome.code === undefined) this.onResult(mode, copy.cut ? 'skipped' : 'dropped');
      return outcome;
    }
    this.#after.add({
      mode,
      waitMs: block.max_wait_ms ?? block.deadline_ms ?? this.#options.verificationWaitMs,
      release: () => {
        copy[Symbol.dispose]();
        this.#budget.give(taken);
      },
      offer: () => offerOf(asked, { mode, block }, copy, { requestId: offerId, usage: outcome.usage }),
    });
    return outcome;
  }

  /** At the end of a drain: those who wait for a verdict are told that there will be none. */
  shutDown(): void {
    for (const controller of this.#running) controller.abort(new ApiError('server_shutting_down'));
  }

  [Symbol.dispose](): void {
    this.shutDown();
    this.#after[Symbol.dispose]();
  }
}

/** What the arena is offered; undefined for an answer that cannot be judged. */
function offerOf(
  { identity, body, name }: Asked,
  { mode, block }: Decided,
  copy: AnswerCopy,
  { requestId, usage }: { requestId: string; usage: RelayOutcome['usage'] },
) {
  const answer = readAnswer(copy.bytes, copy.isStream);
  if (answer === undefined) return undefined;
  const [tenant, key] = [tenantOf(identity), keyIdOf(identity)];
  const request = readChatRequest(body, name);
  // From the relay: it may have taken the usage out of a stream that nobody asked for it in.
  const counted = usage !== undefined && { usage: openaiUsage(usage) };
  return { requestId, tenant, key, mode, request, answer, ...counted, block };
}

const openaiUsage = ({ promptTokens, completionTokens }: NonNullable<RelayOutcome['usage']>) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

/** The word an end is counted under. */
function resultOf(end: InterceptEnd): string {
  if (end.type === 'pass') return 'passed_on';
  if (end.error !== undefined) return end.error.code;
  if (end.result === undefined) return 'left';
  return end.cached ? 'cached' : end.result.report.status;
}
