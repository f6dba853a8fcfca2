/**
 * The processes of one chain and our ends of their pipes. Either all words are given at the start, or the last ones come
 * later through a pipe: until then a small program waits in the place of bwrap, with everything done that comes before.
 */
import { constants, fchownSync, writeSync } from 'node:fs';
import { OwnedFds } from './owned-fds.ts';

export type ChainProcessInput = {
  words: readonly string[];
  env: Readonly<Record<string, string>>;
  seccompPath: string;
  /** Uid of the sandbox when it is not ours: without owning its pipes it could not open /dev/stderr. */
  owner: number | undefined;
  /** Reads its further words from descriptor `wordsFd`. */
  takesWords?: boolean;
};

/** Of the started programs; the six below it are in `chainFds`. */
export const wordsFd = 7;
/** What any pipe takes at once: a user with many has small ones, and a write that waits would hold up everything. */
const pipeBytes = 4_096;

/** Numbers are descriptors of ours. */
export type ChainProcess = AsyncDisposable & {
  readonly fds: OwnedFds;
  /** Of bwrap, or of what stands in its place. */
  readonly pid: number;
  /** Resolves when bwrap is gone. */
  readonly exited: Promise<unknown>;
  readonly isGone: boolean;
  readonly ends: { into: number; out: number; err: number; info: number; block: number; status: number };
  /** Gives the words that are missing; once. Resolves when they are read, or never will be. */
  giveWords: (words: readonly string[]) => Promise<void>;
  kill: () => void;
};

/** A reader that went away is the job's business. */
async function feed(fds: OwnedFds, fd: number, bytes: Uint8Array): Promise<void> {
  try {
    const writer = Bun.file(fd).writer();
    const written: unknown = writer.write(bytes);
    await written;
    await writer.end();
  } catch {
  } finally {
    fds.close(fd);
  }
}

/** All that the pipe takes at once goes in before anybody reads; only more needs a writer. Closes the end. */
export function fillPipe(fds: OwnedFds, fd: number, bytes: Uint8Array): Promise<void> {
  if (bytes.length > pipeBytes) return feed(fds, fd, bytes);
  try {
    if (bytes.length > 0) writeSync(fd, bytes);
  } catch {
    // It is gone already; its end tells why.
  }
  fds.close(fd);
  return Promise.resolve();
}

/** @throws the system's error when it cannot be started: no descriptors, no such program, too many words. */
export function startChainProcess(input: ChainProcessInput): ChainProcess {
  const fds = new OwnedFds();
  try {
    return start(fds, input);
  } catch (error) {
    fds[Symbol.dispose]();
    throw error;
  }
}

function start(fds: OwnedFds, { words, env, seccompPath, owner, takesWords }: ChainProcessInput): ChainProcess {
  const seccompFd = fds.open(seccompPath);
  const [into, out, err, info, block, status] = [
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
  ];
  const more = takesWords === true ? fds.pipe() : undefined;
  // Open both ways: were it closed by our death, the end of the pipe would read like the word to go.
  const heldFd = fds.open(`/proc/self/fd/${block.readFd}`, constants.O_RDWR);
  fds.close(block.readFd);
  // In the order of `chainFds`, and `wordsFd` last.
  const theirs = [into.readFd, out.writeFd, err.writeFd, seccompFd, info.writeFd, heldFd, status.writeFd];
  if (more !== undefined) theirs.push(more.readFd);
  if (owner !== undefined) for (const fd of theirs.slice(0, 3)) fchownSync(fd, owner, owner);
  const stdio = theirs as unknown as ['ignore', 'ignore', 'ignore'];
  const child = Bun.spawn([...words], { cwd: '/', env: { ...env }, stdio });
  fds.close(...theirs);
  const kill = () => child.kill('SIGKILL');
  return {
    fds,
    pid: child.pid,
    exited: child.exited,
    get isGone() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    ends: {
      into: into.writeFd,
      out: out.readFd,
      err: err.readFd,
      info: info.readFd,
      block: block.writeFd,
      status: status.readFd,
    },
    giveWords: (rest) => {
      if (more === undefined) throw new Error('this chain has all its words');
      return fillPipe(fds, more.writeFd, new TextEncoder().encode(rest.map((word) => `${word}\0`).join('')));
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      kill();
      fds[Symbol.dispose]();
      await child.exited;
    },
  };
}
