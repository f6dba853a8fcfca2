/** The socket of the command `labman` (network plane 2.2): HTTP, 0660. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { adminAnswer, type AdminParts, refuse } from './admin-routes.ts';

export type AdminSocketParts = AdminParts & {
  /** Empty: none. */
  path: string;
};

const bodyBytesMax = 4_096;
/**
 * Longer than any route takes: registering with a new key, and its first exchange. The runtime takes it for sockets with a
 * path too, its types do not.
 */
const patience: object = { idleTimeout: 120 };

/** Born closed to others: between bind and chmod nobody may slip in. */
function listenClosed<T>(listen: () => T): T {
  const mask = process.umask(0o177);
  try {
    return listen();
  } finally {
    process.umask(mask);
  }
}

/** Opens the socket; without a folder to put it in the node goes on and says so. */
export function openAdminSocket(parts: AdminSocketParts): (AsyncDisposable & { path: string }) | undefined {
  const { path, log } = parts;
  if (path === '') return undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    const server = listenClosed(() =>
      Bun.serve({
        ...patience,
        unix: path,
        maxRequestBodySize: bodyBytesMax,
        fetch: (request) => adminAnswer(request, parts),
        error: (error) => {
          log.error('a request at the admin socket met a fault of ours', { error });
          return refuse(500, 'INTERNAL', 'a fault of labmand; its log has the details');
        },
      }),
    );
    chmodSync(path, 0o660);
    return {
      path,
      async [Symbol.asyncDispose]() {
        await server.stop(true);
        rmSync(path, { force: true });
      },
    };
  } catch (error) {
    log.warn('no admin socket: the command labman will not reach this node', { path, error });
    return undefined;
  }
}
