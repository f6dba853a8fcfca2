/** The socket of the executor: its owner's alone, in a folder that is his alone too. */
import { rmSync } from 'node:fs';
import type { Logger } from '@labmesh/kit/log';
import { listenPrivately } from '@labmesh/kit/private-socket';
import type { Executor } from './executor.ts';
import { bodyLimits, executorRoutes } from './executor-routes.ts';

/** For answers under way to leave, once nothing runs any more. */
const lastWordsMs = 1_000;

/** Serves until disposed: then nothing is accepted, what runs is killed, and whoever waits for it is told so. */
export async function serveExecutor(path: string, executor: Executor, log: Logger): Promise<AsyncDisposable> {
  const answer = executorRoutes(executor);
  // The runtime takes it for sockets with a path too, its types do not.
  const arrival: object = { idleTimeout: bodyLimits.arriveS };
  const server = await listenPrivately(path, () =>
    Bun.serve({
      ...arrival,
      unix: path,
      // Its own refusal has no body: ours says the limit, and nothing above it is read.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: (request, bun) => answer(request, () => bun.timeout(request, 0)),
      error: (error) => {
        // Whoever went away hears nothing more of it.
        log.debug('a request ended without an answer', { error });
        return Response.json({ error: { code: 'INTERNAL', message: 'a fault of the executor' } }, { status: 500 });
      },
    }),
  );
  return {
    async [Symbol.asyncDispose]() {
      rmSync(path, { force: true });
      const ended = server.stop(false);
      await executor[Symbol.asyncDispose]();
      await Promise.race([ended, Bun.sleep(lastWordsMs)]);
      await server.stop(true);
    },
  };
}
