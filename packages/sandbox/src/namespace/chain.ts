/**
 * One started chain of prlimit, setpriv and bwrap:
 *
 *     started ─ fd 4: pid of its init ─▶ held (fd 5) ─ release() ─▶ running ─ fd 6: exit code ─▶ ended
 *
 * While it is held it has made its mounts, or is about to; no instruction of the job runs before `release`.
 */
import { constants, fchownSync, writeSync } from 'node:fs';
import { capture, type Capture } from './capture.ts';
import { OwnedFds } from './owned-fds.ts';

export type ChainInput = {
  words: readonly string[];
  env: Readonly<Record<string, string>>;
  seccompPath: string;
  /** Uid of the sandbox when it is not ours: without owning its pipes it could not open /dev/stderr. */
  owner: number | undefined;
  stdin: Uint8Array;
  outputBytes: number;
  onFull: () => void;
};

export type Chain = AsyncDisposable & {
  readonly fds: OwnedFds;
  /** The first process of the sandbox, as the host numbers it; undefined when bwrap made none within `timeoutMs`. */
  initPid: (timeoutMs: number) => Promise<number | undefined>;
  /** Resolves when bwrap is gone. */
  readonly exited: Promise<unknown>;
  release: () => void;
  kill: () => void;
  /** What was written, once all writers are gone or `graceMs` after the call. */
  output: (graceMs: number) => Promise<{ stdout: Uint8Array; stderr: Uint8Array; isCut: boolean }>;
  /** The program's exit code as bwrap tells it; undefined when it never started. */
  status: () => Promise<number | undefined>;
};

const pipeBytes = 65_536;
const factsBytesMax = 4096;
const number = (pattern: RegExp, bytes: Uint8Array) => {
  const [, digits] = pattern.exec(new TextDecoder().decode(bytes)) ?? [];
  return digits === undefined ? undefined : Number(digits);
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

/** All that the pipe takes at once goes in before anybody reads; only more needs a writer. */
function fillStdin(fds: OwnedFds, fd: number, bytes: Uint8Array): Promise<void> {
  if (bytes.length > pipeBytes) return feed(fds, fd, bytes);
  if (bytes.length > 0) writeSync(fd, bytes);
  fds.close(fd);
  return Promise.resolve();
}

const within = async <T>(promise: Promise<T>, ms: number, stop: () => void): Promise<T> => {
  const timer = setTimeout(stop, ms);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
};

/** @throws the system's error when the chain cannot be started: no descriptors, no such program, too many words. */
export function startChain(input: ChainInput): Chain {
  const fds = new OwnedFds();
  try {
    return start(fds, input);
  } catch (error) {
    fds[Symbol.dispose]();
    throw error;
  }
}

function start(fds: OwnedFds, input: ChainInput): Chain {
  const { words, env, seccompPath, owner, stdin, outputBytes, onFull } = input;
  const seccompFd = fds.open(seccompPath);
  const [into, out, err, info, block, status] = [
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
    fds.pipe(),
  ];
  // Open both ways: were it closed by our death, the end of the pipe would read like the word to go.
  const heldFd = fds.open(`/proc/self/fd/${block.readFd}`, constants.O_RDWR);
  fds.close(block.readFd);
  const theirs = [into.readFd, out.writeFd, err.writeFd, seccompFd, info.writeFd, heldFd, status.writeFd];
  if (owner !== undefined) for (const fd of theirs.slice(0, 3)) fchownSync(fd, owner, owner);
  // In the order of `chainFds`.
  const stdio = theirs as unknown as ['ignore', 'ignore', 'ignore'];
  const child = Bun.spawn([...words], { cwd: '/', env: { ...env }, stdio });
  fds.close(...theirs);
  const fed = fillStdin(fds, into.writeFd, stdin);
  const [stdout, stderr] = [capture(out.readFd, outputBytes, onFull), capture(err.readFd, outputBytes, onFull)];
  const [facts, end] = [capture(info.readFd, factsBytesMax, () => {}), capture(status.readFd, factsBytesMax, () => {})];
  const captures: Capture[] = [stdout, stderr, facts, end];
  return {
    fds,
    exited: child.exited,
    initPid: async (timeoutMs) => {
      const { bytes } = await within(facts.done, timeoutMs, () => facts.stop());
      return number(/"child-pid": (\d+)/, bytes);
    },
    release: () => {
      try {
        writeSync(block.writeFd, '1');
      } catch {
        // It is gone already; its end tells why.
      }
      fds.close(block.writeFd);
    },
    kill: () => child.kill('SIGKILL'),
    output: async (graceMs) => {
      const both = Promise.all([stdout.done, stderr.done]);
      const stop = () => [stdout, stderr].forEach((each) => each.stop());
      const [o, e] = await within(both, graceMs, stop);
      return { stdout: o.bytes, stderr: e.bytes, isCut: o.isFull || e.isFull };
    },
    status: async () => {
      const { bytes } = await within(end.done, 1000, () => end.stop());
      return number(/"exit-code": (\d+)/, bytes);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      for (const each of captures) each.stop();
      fds[Symbol.dispose]();
      await Promise.all([child.exited, fed, ...captures.map(({ done }) => done)]);
    },
  };
}
