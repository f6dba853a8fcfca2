/** A runner that answers as told and keeps what it was sent. */
import {
  type SandboxJobInput,
  sandboxJobSchema,
  type SandboxResult,
  type SandboxRunner,
} from '@labmesh/wire/verification/sandbox';

export type FakeResult = Partial<Omit<SandboxResult, 'stdout' | 'stderr'>> & { stdout?: string; stderr?: string };

const base64 = (text: string) => Buffer.from(text).toString('base64');
export const stdinOf = (job: SandboxJobInput) => Buffer.from(job.stdin ?? '', 'base64').toString();

/** stdout and stderr of what `answer` gives are plain text. */
export function fakeRunner(answer: (job: SandboxJobInput) => FakeResult | Promise<FakeResult>) {
  const sent: SandboxJobInput[] = [];
  const runner: SandboxRunner = {
    levels: () => Promise.resolve([]),
    run: async (input, signal) => {
      sent.push(input);
      const { limits } = sandboxJobSchema.parse(input);
      const { stdout = '', stderr = '', ...rest } = await answer(input);
      signal?.throwIfAborted();
      return {
        id: `run-${sent.length}`,
        exit: 'ok',
        code: 0,
        signal: null,
        stdout: base64(stdout),
        stderr: base64(stderr),
        truncated: false,
        usage: { wallMs: 1, cpuMs: 1, maxRssBytes: 1 },
        level: 'SANDBOX_L1_NAMESPACE',
        backend: 'fake',
        uidIsolated: true,
        cgroup: true,
        limits,
        files: [],
        error: null,
        ...rest,
      };
    },
  };
  return { runner, sent };
}

/** Answers a case with `value` in the form of the harness; other jobs end well. */
export const answering = (value: (args: readonly unknown[]) => unknown) =>
  fakeRunner((job) => {
    const text = stdinOf(job);
    if (!text.startsWith('{')) return {};
    const { nonce, args } = JSON.parse(text) as { nonce: string; args: unknown[] };
    return { stdout: `${nonce} ${JSON.stringify({ value: value(args) })}\n` };
  });
