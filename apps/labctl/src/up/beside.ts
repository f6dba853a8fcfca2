/** Parts that start beside others: they take long, and nobody waits for them until their turn. */

/** Rejects with the signal's reason as soon as it aborts. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Starts it, and puts it on the stack also while it is still starting: then its signal ends the start. */
export function startBeside<T extends AsyncDisposable>(
  stack: AsyncDisposableStack,
  start: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const starting = start(ending.signal);
  stack.defer(async () => {
    ending.abort(new Error('stopping'));
    await starting.then((part) => part[Symbol.asyncDispose]()).catch(() => undefined);
  });
  // It is awaited later; a failure until then is no unhandled one.
  starting.catch(() => undefined);
  return starting;
}
