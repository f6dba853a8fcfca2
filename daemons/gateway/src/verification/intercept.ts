/**
 * Intercept (verification RP3): the first byte of an answer follows its verdict. What the arena chose goes out as if an
 * engine had written it; without a good answer an error says why. Nothing that was not checked looks as if it had been.
 */
import type { Clock } from '@labmesh/kit/clock';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { VerificationBlock, VerificationReport } from '@labmesh/wire/verification/verification-block';
import { askedPriority, keyIdOf, tenantOf } from '../access/authenticate.ts';
import type { ArenaClient } from '../arena/arena-client.ts';
import { offerBytes } from '../arena/offer-bytes.ts';
import type { KeptResults, WantedResult } from '../cache/kept-results.ts';
import type { Asked } from './asked.ts';
import { HeldExchange } from './held-exchange.ts';
import { readChatRequest } from './read-chat-request.ts';
import { chatEvents, wholeChat } from './verified-chat.ts';
import { verifiedHeaders } from './verified-headers.ts';

export type InterceptParts = {
  arena: ArenaClient | undefined;
  kept: KeptResults;
  clock: Clock;
  settings: { waitMs: number; commentMs: number; withShadowArena: boolean; runsMax: number };
  /** Runs that wait for their verdict: aborted when the gateway stops. */
  running: Set<AbortController>;
};

/** A request as the arena gets it, and for whom. */
type Intercepted = Pick<Asked, 'exchange' | 'requestId' | 'body'> &
  Pick<WantedResult, 'owner' | 'request' | 'block'> & {
    /** Id of the key that pays. */
    key: string;
  };

export type InterceptEnd =
  /** `status` as the client saw it, 499 when it left. */
  | { type: 'answered'; status: number; error: ApiError | undefined; result: ArenaResult | undefined; cached: boolean }
  /** The client gets a plain answer through this exchange, which claims nothing. */
  | { type: 'pass'; exchange: Asked['exchange']; error: ApiError };

/** The arena ends a run at its deadline itself; after this long more it is thought to be gone. */
const graceMs = 2_000;

/** Ends a run whose client is gone; nobody is told. */
const left = new Error('the client left');

/** An error that says what was wrong with the answers. */
class Unfit extends ApiError {
  readonly report: VerificationReport;
  constructor(code: 'verification_failed' | 'verification_inconclusive', report: VerificationReport) {
    super(code, report.summary === '' ? {} : { message: report.summary.slice(0, 500) });
    this.report = report;
  }
}

/** What a key may have of the arena decides what it is given. */
const rightsOf = (identity: Asked['identity']): string[] =>
  identity.type === 'key' ? [...identity.key.scopes, `variations:${identity.key.variations ?? ''}`] : [];

/**
 * Answers the exchange, or says that a plain answer is to be given.
 * @throws ApiError for a request that is no chat, before anything is sent; else only for a fault of ours
 */
export async function intercept(
  parts: InterceptParts,
  { exchange, requestId, identity, body, name }: Asked,
  block: VerificationBlock,
): Promise<InterceptEnd> {
  const request = readChatRequest(body, name);
  const owner = { tenant: tenantOf(identity), scopes: rightsOf(identity) };
  const asked: Intercepted = { exchange, requestId, owner, key: keyIdOf(identity), request, body, block };
  const stream = request.stream === true;
  const { commentMs } = parts.settings;
  using held = new HeldExchange(exchange, { requestId, stream, commentMs, model: request.model });
  try {
    const { result, cached } = await findResult(parts, asked);
    await answer(parts, asked, held, result);
    return { type: 'answered', status: exchange.aborted ? 499 : 200, error: undefined, result, cached };
  } catch (error) {
    if (error === left || exchange.aborted)
      return { type: 'answered', status: 499, error: undefined, result: undefined, cached: false };
    if (!(error instanceof ApiError)) throw error;
    if (mayPass(error, block)) return { type: 'pass', exchange: held.passOn(), error };
    held.replyError(error, error instanceof Unfit ? error.report : undefined);
    return { type: 'answered', status: error.status, error, result: undefined, cached: false };
  }
}

/** Out of the cache, or by a run of the arena. @throws ApiError, or `left` */
async function findResult(
  parts: InterceptParts,
  asked: Intercepted,
): Promise<{ result: ArenaResult; cached: boolean }> {
  const { exchange, owner, key, requestId, block } = asked;
  const anew = exchange.header('x-labmesh-cache') === 'no-store';
  const payer = { tenant: owner.tenant, key, requestId };
  const { kept, keep } = await parts.kept.find({ ...asked, payer, anew });
  if (kept !== undefined) return { result: asHit(kept), cached: true };
  // While the arena was asked nobody listened.
  if (exchange.aborted) throw left;
  const result = await runOffer(parts, asked);
  const { report, answer: message } = result;
  if (message === null || !isFit(report.status, block)) {
    throw new Unfit(report.status === 'invalid' ? 'verification_failed' : 'verification_inconclusive', report);
  }
  if (report.status === 'valid') keep(result);
  return { result, cached: false };
}

/** Nothing was generated for a hit: it takes no tokens, and its certificate is the one of the first time. */
const asHit = (result: ArenaResult): ArenaResult => ({
  ...result,
  usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  report: { ...result.report, cached: true },
});

/** An answer that nothing could be checked of is given as `unchecked`: it is neither good nor bad. */
const isFit = (status: VerificationReport['status'], block: VerificationBlock) =>
  status === 'valid' || status === 'unchecked' || block.on_fail === 'best_effort';

const mayPass = (error: ApiError, block: VerificationBlock) =>
  (error.code === 'verification_unavailable' && block.on_unavailable === 'pass') ||
  (error.code === 'verification_deadline' && block.on_timeout === 'pass');

/**
 * The arena answers an id that it knows with the run it knows. An id that the client chose is therefore bound to what is
 * asked and by whom: the same call again finds its run, another one never finds it.
 */
function offerId({ exchange, requestId, key, request, block }: Intercepted): string {
  if (exchange.header('x-request-id') !== requestId) return requestId;
  const bound = new Bun.CryptoHasher('sha256').update(JSON.stringify([key, request, block])).digest('hex');
  return `${requestId}.${bound.slice(0, 32)}`;
}

async function runOffer(parts: InterceptParts, asked: Intercepted): Promise<ArenaResult> {
  const { arena, settings, clock, running } = parts;
  const { exchange, owner, key, request, body, block } = asked;
  if (arena === undefined) throw new ApiError('verification_unavailable', { log: 'no arena is set' });
  // The arena has a limit of its own; this one holds when it only seems to be there.
  if (running.size >= settings.runsMax) throw new ApiError('arena_busy');
  const waitMs = block.max_wait_ms ?? block.deadline_ms ?? settings.waitMs;
  const whose = { requestId: offerId(asked), tenant: owner.tenant, key };
  const deadlineMs = clock.wall() + waitMs;
  // The calls of the run have the class that the caller has (G-31).
  const own = { ...block, priority: block.priority ?? askedPriority(exchange) };
  const offer = offerBytes({ ...whose, mode: 'intercept', block: own, deadlineMs }, body, request.model);
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new ApiError('verification_deadline')), waitMs + graceMs);
  running.add(ending);
  exchange.onAbort(() => ending.abort(left));
  try {
    return await arena.run(whose, offer, ending.signal);
  } finally {
    clearTimeout(timer);
    running.delete(ending);
  }
}

async function answer(
  parts: InterceptParts,
  { request, requestId }: Intercepted,
  held: HeldExchange,
  result: ArenaResult,
): Promise<void> {
  const message = result.answer;
  if (message === null) throw new ApiError('internal_error');
  const { clock, settings } = parts;
  const created = Math.floor(clock.wall() / 1000);
  const form = { id: `chatcmpl-${requestId}`, created, result, withShadowArena: settings.withShadowArena };
  const headers = verifiedHeaders(result.report.status, result.report.certificate_id);
  if (request.stream !== true) return held.replyWhole(wholeChat(form, message), headers);
  const includeUsage = request.stream_options?.include_usage === true;
  await held.replyStream(chatEvents(form, message, includeUsage), headers);
}
