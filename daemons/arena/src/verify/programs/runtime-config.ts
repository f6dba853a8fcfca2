import { sandboxCeilings, type SandboxLevel, type SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';

const mib = 1024 * 1024;

/** Settings of runtime_verifier (verification V14). */
export const runtimeConfigSchema = z
  .strictObject({
    /** Of one job: a program's run, or one case. Wall clock and processor alike. */
    timeout_s: z
      .number()
      .min(0.1)
      .max(sandboxCeilings.wallMs / 1000)
      .default(30),
    memory_mb: z
      .int()
      .min(32)
      .max(sandboxCeilings.memoryBytes / mib)
      .default(512),
    /** Of stdout and of stderr each. */
    output_bytes: z.int().min(1).max(sandboxCeilings.outputBytes).default(mib),
    /** Of all cases of one answer, their wall clocks added up. */
    cases_timeout_s: z.number().min(0.1).max(3_600).default(120),
    /** Cases of one answer that run side by side. */
    parallel_cases: z.int().min(1).max(16).default(4),
    /** An answer without tests of its own fails. */
    require_tests: z.boolean().default(false),
    /** Share of its own tests that has to pass; the original's name for it. */
    min_test_coverage: z.number().min(0).max(1).default(0),
  })
  .prefault({});
export type RuntimeConfig = z.infer<typeof runtimeConfigSchema>;

/** Hostile programs run at this level or above. */
export const runtimeMinLevel: SandboxLevel = 'SANDBOX_L1_NAMESPACE';

export const jobLimits = ({ timeout_s, memory_mb, output_bytes }: RuntimeConfig) => ({
  wallMs: Math.ceil(timeout_s * 1000),
  cpuMs: Math.ceil(timeout_s * 1000),
  memoryBytes: memory_mb * mib,
  outputBytes: output_bytes,
});

/** As certificates show them. */
export const shownLimits = (config: RuntimeConfig) => ({
  wall_s: config.timeout_s,
  memory_mb: config.memory_mb,
  output_bytes: config.output_bytes,
});

/** What running anything takes. */
export type RunAsk = { config: RuntimeConfig; runner: SandboxRunner; signal: AbortSignal };
