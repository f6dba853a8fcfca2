/** Sockets with a path that are their owner's alone: 0600, in a folder that is 0700. */
import { chmodSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The kernel takes no longer ones. */
const pathBytesMax = 107;

export class SocketPlaceError extends Error {
  override readonly name = 'SocketPlaceError';
  /** In use or not ours. */
  readonly exitCode = 8;
}

/** Whether somebody answers there; a file that nobody listens at is a leftover of a crash. */
async function isServed(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

/** Folder and place of the socket. @throws SocketPlaceError when they are not ours, or in use */
async function clearPlace(path: string): Promise<void> {
  if (Buffer.byteLength(path) > pathBytesMax) {
    throw new SocketPlaceError(`the path of the socket is longer than ${pathBytesMax} bytes: ${path}`);
  }
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new SocketPlaceError(`${folder} is open to others; the socket needs a folder of its owner alone (0700)`);
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new SocketPlaceError(`${path} is no socket; it is left as it is`);
  if (await isServed(path)) throw new SocketPlaceError(`somebody listens at ${path} already`);
  rmSync(path, { force: true });
}

/**
 * Listens at `path` by `listen`, born closed to others: between bind and chmod nobody may slip in.
 * @throws SocketPlaceError
 */
export async function listenPrivately<T>(path: string, listen: () => T): Promise<T> {
  await clearPlace(path);
  const mask = process.umask(0o177);
  try {
    return listen();
  } finally {
    process.umask(mask);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) chmodSync(path, 0o600);
  }
}
