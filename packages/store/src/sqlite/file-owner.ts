/**
 * One process owns an SQLite store (ST-5). The lock is SQLite's own, on an empty file beside the database: it goes with
 * the process, however that ends, and two starters cannot both get it. A unix socket beside it answers who the owner
 * is: one line `{"pid":N}`.
 */
import { Database } from 'bun:sqlite';
import { chmodSync, closeSync, openSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { StoreStartError } from '../store-errors.ts';

const askTimeoutMs = 1_000;
/** How long somebody may hold the answer in his hand. */
const answerTimeoutS = 5;
const answerMax = 256;
/** What fits into sockaddr_un on every system, less the end mark. */
const socketPathMax = 103;

/**
 * A path that a socket call takes. The kernel's limit of about 100 bytes is on the text given, so a longer path goes
 * through the folder's descriptor where the system has /proc; elsewhere the call fails with its own error.
 */
function withSocketPath<T>(path: string, use: (shortPath: string) => T): T {
  if (Buffer.byteLength(path) <= socketPathMax) return use(path);
  const folder = openSync(dirname(path), 'r');
  try {
    return use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}

/** The pid of the process that answers on the socket, or undefined when nobody does. */
export async function askOwner(socketPath: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const timer = setTimeout(() => resolve(undefined), askTimeoutMs);
  let answer = '';
  const parse = () => {
    const pid = /^\{"pid":(\d{1,10})\}\n/.exec(answer)?.[1];
    return pid === undefined ? undefined : Number(pid);
  };
  const connecting = withSocketPath(socketPath, (unix) =>
    Bun.connect({
      unix,
      socket: {
        data: (socket, bytes) => {
          answer += bytes.toString('latin1');
          if (answer.includes('\n') || answer.length > answerMax) socket.end();
        },
        close: () => resolve(parse()),
        error: () => resolve(undefined),
        connectError: () => resolve(undefined),
      },
    }).catch(() => resolve(undefined)),
  );
  const pid = await promise;
  clearTimeout(timer);
  void connecting.then((socket) => socket?.end());
  return pid;
}

function listen(socketPath: string): { stop(): void } {
  const line = `{"pid":${process.pid}}\n`;
  return withSocketPath(socketPath, (unix) => {
    // The lock is ours, so a socket that is there was left behind.
    rmSync(socketPath, { force: true });
    const open = (socket: Bun.Socket) => {
      socket.timeout(answerTimeoutS);
      // Not ended here: Bun's client takes an answer with its end in one piece for a connection that failed.
      socket.write(line);
    };
    const server = Bun.listen({ unix, socket: { open, timeout: (socket) => void socket.end(), data: () => {} } });
    chmodSync(socketPath, 0o600);
    server.unref();
    return { stop: () => server.stop(true) };
  });
}

/**
 * Takes the database file for this process, until disposed.
 *
 * @throws StoreStartError STORE_IN_USE (exit 75) naming the owner's pid where it tells it.
 */
export async function ownFile(file: string): Promise<Disposable> {
  const socketPath = `${file}.owner.sock`;
  closeSync(openSync(`${file}.owner`, 'a', 0o600));
  const lock = new Database(`${file}.owner`, { readwrite: true });
  try {
    lock.run('pragma busy_timeout = 0');
    lock.run('pragma journal_mode = memory');
    lock.run('begin exclusive');
  } catch (error) {
    lock.close();
    if (!(error as { code?: string }).code?.startsWith('SQLITE_BUSY')) throw error;
    const pid = await askOwner(socketPath);
    const who = pid === undefined ? 'by another process' : `by pid ${pid}`;
    throw new StoreStartError('STORE_IN_USE', `${file} is in use ${who}`);
  }
  try {
    const server = listen(socketPath);
    return {
      [Symbol.dispose]() {
        server.stop();
        rmSync(socketPath, { force: true });
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}
