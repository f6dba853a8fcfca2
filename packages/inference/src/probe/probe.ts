import { ask, type Asked } from './ask.ts';
import type { Answer, Kind } from './kind.ts';
import { failureDetail, failureReason, type ProbeFetch } from './probe-fetch.ts';
import { seenOfStatus, type Seen } from './seen.ts';

export const probeLimits = {
  timeoutMs: 5_000,
  /** Big enough for a model list, which is some engines' liveness. */
  bytesMax: 8 * 1024 * 1024,
};

/** A liveness route must answer as such: what is no fault for a request is one here. */
function strict(seen: Seen, answer: Answer): Seen {
  if (seen.type !== 'unchanged') return seen;
  return { type: 'failed', reason: 'invalid', detail: `${answer.status} at the liveness route` };
}

/** One liveness check. Never rejects, never generates, never loads. */
export async function probe(
  fetch: ProbeFetch,
  asked: Asked,
  kind: Kind,
  timeoutMs = probeLimits.timeoutMs,
): Promise<Seen> {
  let seen: Seen = { type: 'failed', reason: 'invalid', detail: 'no liveness route' };
  for (const { path, read } of kind.liveness) {
    try {
      const answer = await ask(fetch, asked, path, { timeoutMs, bytesMax: probeLimits.bytesMax });
      seen = read?.(answer) ?? strict(seenOfStatus(answer.status, answer.text, answer.retryAfterS), answer);
      if (answer.status !== 404 && answer.status !== 405) return seen;
    } catch (error) {
      return { type: 'failed', reason: failureReason(error), detail: failureDetail(error) };
    }
  }
  return seen;
}
