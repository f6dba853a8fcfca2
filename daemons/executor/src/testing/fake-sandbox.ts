/** A sandbox that runs nothing: tests end its runs by hand. */
import type { Sandbox } from '@labmesh/sandbox/sandbox';
import type { LevelReport, SandboxJob, SandboxLevel, SandboxResult } from '@labmesh/wire/verification/sandbox';

export type FakeRun = {
  job: SandboxJob;
  id: string;
  signal: AbortSignal;
  end: (changes?: Partial<SandboxResult>) => void;
  fail: (error: Error) => void;
};
export type FakeSandbox = Sandbox & { runs: FakeRun[]; isClosed: boolean };

export const levelReport = (level: SandboxLevel, ready = true): LevelReport => ({
  level,
  ready,
  backend: ready ? 'fake' : null,
  version: ready ? '1' : null,
  platform: 'test',
  uidIsolated: ready,
  cgroup: 'none',
  reason: ready ? null : 'install nothing',
  tools: {},
});

const usualLevels = [levelReport('SANDBOX_L0_WASM'), levelReport('SANDBOX_L1_NAMESPACE')];

/** A run ends by `end`, by `fail`, or by its signal. */
export function fakeSandbox(levels: readonly LevelReport[] = usualLevels): FakeSandbox {
  const fake: FakeSandbox = {
    runs: [],
    isClosed: false,
    levels: () => [...levels],
    run: (job, id, signal = new AbortController().signal) =>
      new Promise((resolve, reject) => {
        const { minLevel: level, limits } = job;
        const usage = { wallMs: 1, cpuMs: 1, maxRssBytes: 1 };
        const usual = { id, exit: 'ok', code: 0, signal: null, stdout: '', stderr: '', truncated: false } as const;
        const how = {
          usage,
          level,
          backend: 'fake 1',
          uidIsolated: true,
          cgroup: true,
          limits,
          files: [],
          error: null,
        };
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        fake.runs.push({
          job,
          id,
          signal,
          end: (changes) => resolve({ ...usual, ...how, ...changes }),
          fail: (error) => reject(error),
        });
      }),
    [Symbol.asyncDispose]: async () => void (fake.isClosed = true),
  };
  return fake;
}

/** Waits until `holds`, at most two seconds of a quiet machine, ten of a busy one. */
export async function until(holds: () => boolean | Promise<boolean>, what = 'it'): Promise<void> {
  for (let tries = 0; tries < 2_000; tries++) {
    if (await holds()) return;
    await Bun.sleep(5);
  }
  throw new Error(`${what} did not come to hold`);
}
