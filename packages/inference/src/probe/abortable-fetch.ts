import type { ProbeFetch } from './probe-fetch.ts';

/** A ProbeFetch whose pending requests reject as soon as the signal aborts, so that a shutdown waits for no engine. */
export function abortableFetch(fetch: ProbeFetch, signal: AbortSignal): ProbeFetch {
  return (target, request) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      fetch(target, request)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort));
    });
}
