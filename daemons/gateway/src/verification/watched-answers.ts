/** Audit and shadow: answers are relayed as ever, copied on their way, and offered to the arena when they are out. */
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import type { Clock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { Logger } from '@labmesh/kit/log';
import { cleanRequestId } from '@labmesh/wire/ids';
import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';
import { keyIdOf, tenantOf } from '../access/authenticate.ts';
import type { ArenaClient } from '../arena/arena-client.ts';
import { offerBytes } from '../arena/offer-bytes.ts';
import { AfterAnswers, type CountResult } from './after-answers.ts';
import { AnswerCopy, CopyBudget } from './answer-copy.ts';
import type { Asked } from './asked.ts';
import { readAnswer } from './read-answer.ts';
import type { VerificationOptions } from '../verification-options.ts';

type Watched = { mode: 'audit' | 'shadow'; block: VerificationBlock };

/** Gives a plain answer to an exchange. */
export type RelayTo = (exchange: Exchange) => Promise<RelayOutcome>;

export class WatchedAnswers implements Disposable {
  readonly #arena: ArenaClient | undefined;
  readonly #options: VerificationOptions;
  readonly #count: CountResult;
  readonly #after: AfterAnswers;
  readonly #budget: CopyBudget;

  constructor(parts: {
    arena: ArenaClient | undefined;
    options: VerificationOptions;
    clock: Clock;
    log: Logger;
    count: CountResult;
  }) {
    const { arena, options, clock, log, count } = parts;
    this.#arena = arena;
    this.#options = options;
    this.#count = count;
    this.#budget = new CopyBudget(options.verificationHeldBytesMax);
    const waitingMax = options.verificationWaitingMax;
    this.#after = new AfterAnswers({ arena, waitingMax, clock, log, count });
  }

  /** Answers that wait to be offered. */
  get waiting(): number {
    return this.#after.waiting;
  }
  /** Bytes kept for them and for answers on their way. */
  get heldBytes(): number {
    return this.#budget.held;
  }

  /**
   * What is given to `relay` leaves the answer's bytes and their time alone. A gateway at its limit audits few of its
   * answers: the others cost no promise, no copy and no second exchange.
   */
  relay(asked: Asked, decided: Watched, relay: RelayTo): Promise<RelayOutcome> {
    const unseen = this.#unseen(asked, decided.block);
    if (unseen === undefined) return this.#watch(asked, decided, relay);
    this.#count(decided.mode, unseen);
    return relay(asked.exchange);
  }

  /** Why an answer is not looked at; undefined when it is. */
  #unseen(asked: Asked, block: VerificationBlock): 'unavailable' | 'skipped' | 'dropped' | undefined {
    if (this.#arena === undefined) return 'unavailable';
    if (Math.random() >= (block.sample ?? this.#options.verificationSample)) return 'skipped';
    return this.#after.hasRoom(tenantOf(asked.identity)) ? undefined : 'dropped';
  }

  async #watch(asked: Asked, decided: Watched, relay: RelayTo): Promise<RelayOutcome> {
    // Never the client's own: the arena answers an id that it knows with the run it knows.
    const requestId = cleanRequestId(undefined);
    const copy = new AnswerCopy(asked.exchange, this.#budget, requestId);
    const outcome = await relay(copy).catch((error: unknown) => {
      copy[Symbol.dispose]();
      throw error;
    });
    // A refused or broken answer is none.
    if (outcome.status !== 200 || outcome.code !== undefined) copy[Symbol.dispose]();
    else this.#keep(asked, decided, copy, { requestId, usage: outcome.usage });
    return outcome;
  }

  #keep(asked: Asked, decided: Watched, copy: AnswerCopy, more: OfferExtras): void {
    const { mode, block } = decided;
    const taken = asked.body.bytes.length;
    if (copy.cut || !this.#budget.take(taken)) {
      copy[Symbol.dispose]();
      return this.#count(mode, copy.cut ? 'skipped' : 'dropped');
    }
    const { identity } = asked;
    const whose = { tenant: tenantOf(identity), key: keyIdOf(identity), requestId: more.requestId };
    this.#after.add({
      ...whose,
      mode,
      waitMs: block.max_wait_ms ?? block.deadline_ms ?? this.#options.verificationWaitMs,
      offer: (deadlineMs) => {
        const answer = readAnswer(copy.bytes, copy.isStream);
        if (answer === undefined) return undefined;
        const usage = more.usage !== undefined && { usage: openaiUsage(more.usage) };
        return offerBytes({ ...whose, mode, answer, ...usage, block, deadlineMs }, asked.body, asked.name);
      },
      release: () => {
        copy[Symbol.dispose]();
        this.#budget.give(taken);
      },
    });
  }

  [Symbol.dispose](): void {
    this.#after[Symbol.dispose]();
  }
}

/** `usage` is the relay's: it may have taken it out of a stream that nobody asked for it in. */
type OfferExtras = { requestId: string; usage: RelayOutcome['usage'] };

const openaiUsage = ({ promptTokens, completionTokens }: NonNullable<RelayOutcome['usage']>) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});
