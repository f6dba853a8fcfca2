/**
 * One started chain of prlimit, setpriv and bwrap:
 *
 *     started ─ fd 4: pid of its init ─▶ held (fd 5) ─ release() ─▶ running ─ fd 6: exit code ─▶ ended
 *
 * While it is held it has made its mounts, or is about to; no instruction of the job runs before `release`.
 */
import { writeSync } from 'node:fs';
import { capture, type Capture } from './capture.ts';
import { type ChainProcess, fillPipe } from './chain-process.ts';
import type { OwnedFds } from './owned-fds.ts';

export type ChainInput = {
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

const factsBytesMax = 4096;
const number = (pattern: RegExp, bytes: Uint8Array) => {
  const [, digits] = pattern.exec(new TextDecoder().decode(bytes)) ?? [];
  return digits === undefined ? undefined : Number(digits);
};

const within = async <T>(promise: Promise<T>, ms: number, stop: () => void): Promise<T> => {
  const timer = setTimeout(stop, ms);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
};

/** Takes over a process that has all its words: whoever has the chain ends it. */
export function startChain(process: ChainProcess, { stdin, outputBytes, onFull }: ChainInput): Chain {
  const { fds, ends, exited, kill } = process;
  const fed = fillPipe(fds, ends.into, stdin);
  const [stdout, stderr] = [capture(ends.out, outputBytes, onFull), capture(ends.err, outputBytes, onFull)];
  const [facts, end] = [ends.info, ends.status].map((fd) => capture(fd, factsBytesMax, () => {})) as [Capture, Capture];
  const captures: Capture[] = [stdout, stderr, facts, end];
  return {
    fds,
    exited,
    kill,
    initPid: async (timeoutMs) => {
      const { bytes } = await within(facts.done, timeoutMs, () => facts.stop());
      return number(/"child-pid": (\d+)/, bytes);
    },
    release: () => {
      try {
        writeSync(ends.block, '1');
      } catch {
        // It is gone already; its end tells why.
      }
      fds.close(ends.block);
    },
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
      kill();
      for (const each of captures) each.stop();
      await Promise.all([process[Symbol.asyncDispose](), fed, ...captures.map(({ done }) => done)]);
    },
  };
}
