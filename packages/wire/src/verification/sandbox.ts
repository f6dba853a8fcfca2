/**
 * What the executor is asked and answers (verification SB1-SB4): a job at a stated level, and what became of it. The
 * executor holds no expected values and knows nothing of verdicts.
 */
import { z } from 'zod';
import { priorityField, usualPriority } from './priority.ts';

/** Weakest first; the names stand in certificates. */
export const sandboxLevels = [
  'SANDBOX_L0_WASM',
  'SANDBOX_L1_NAMESPACE',
  'SANDBOX_L2_USERKERNEL',
  'SANDBOX_L3_VM_EMULATED',
  'SANDBOX_L4_VM_HW',
] as const;
export const sandboxLevelField = z.enum(sandboxLevels);
export type SandboxLevel = z.infer<typeof sandboxLevelField>;

/** Negative when `a` isolates less than `b`. */
export const compareLevels = (a: SandboxLevel, b: SandboxLevel) => sandboxLevels.indexOf(a) - sandboxLevels.indexOf(b);

export const jobLanguages = ['python', 'javascript', 'typescript', 'bash'] as const;
/** ok … disk are the candidate's doing; refused and sandbox_error mean that nothing was learned. */
export const sandboxExits = [
  'ok',
  'nonzero',
  'signal',
  'wall',
  'cpu',
  'oom',
  'pids',
  'output',
  'disk',
  'refused',
  'sandbox_error',
] as const;

const mib = 1024 * 1024;
/** Ceilings of one job, whoever asks. */
export const sandboxCeilings = {
  wallMs: 120_000,
  cpuMs: 120_000,
  memoryBytes: 2048 * mib,
  pids: 256,
  tmpBytes: 256 * mib,
  outputBytes: 8 * mib,
  fileBytes: 256 * mib,
  openFiles: 256,
  files: 64,
  filesBytes: 16 * mib,
  args: 256,
  waiting: 256,
  /** Of `waiting`, for the jobs of one group. */
  waitingPerGroup: 128,
} as const;

const upTo = (most: number, usual: number) => z.int().min(1).max(most).default(usual);
export const sandboxLimitsSchema = z.strictObject({
  wallMs: upTo(sandboxCeilings.wallMs, 30_000),
  cpuMs: upTo(sandboxCeilings.cpuMs, 30_000),
  memoryBytes: upTo(sandboxCeilings.memoryBytes, 512 * mib),
  pids: upTo(sandboxCeilings.pids, 64),
  tmpBytes: upTo(sandboxCeilings.tmpBytes, 64 * mib),
  /** Of stdout and of stderr each. */
  outputBytes: upTo(sandboxCeilings.outputBytes, mib),
  fileBytes: upTo(sandboxCeilings.fileBytes, 64 * mib),
  openFiles: upTo(sandboxCeilings.openFiles, 64),
});
export type SandboxLimits = z.infer<typeof sandboxLimitsSchema>;

/** A path below /tmp of the sandbox: no way up, no absolute one, no control characters. */
export const sandboxPathField = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /^(?!\/)(?!.*(?:^|\/)\.{1,2}(?:\/|$))(?!.*\/\/)[^\p{Cc}]*[^/\p{Cc}]$/u,
    'is no plain path below the work folder',
  );
const base64Field = z.base64().max(Math.ceil((sandboxCeilings.filesBytes * 4) / 3) + 4);

/** `argv`, or `code` with its language: the code is put into a file and run by the language's interpreter. */
export const sandboxJobSchema = z
  .strictObject({
    /** The least level that will do; the executor may use a higher one and says which. */
    minLevel: sandboxLevelField.default('SANDBOX_L1_NAMESPACE'),
    argv: z.array(z.string().max(65_536)).min(1).max(sandboxCeilings.args).optional(),
    language: z.enum(jobLanguages).optional(),
    code: z
      .string()
      .max(4 * mib)
      .optional(),
    /** Base64. */
    stdin: base64Field.default(''),
    files: z
      .array(z.strictObject({ path: sandboxPathField, content: base64Field }))
      .max(sandboxCeilings.files)
      .default([]),
    /** Files to hand back after the end. */
    collect: z.array(sandboxPathField).max(sandboxCeilings.files).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), z.string().max(4096)).default({}),
    limits: sandboxLimitsSchema.prefault({}),
    /** Whose work it is, in a word that means nothing here: groups get equal shares of the places. */
    group: z
      .string()
      .regex(/^[\x21-\x7e]{0,64}$/)
      .default(''),
    priority: priorityField.default(usualPriority),
  })
  .refine((job) => (job.argv === undefined) !== (job.code === undefined), {
    path: ['argv'],
    message: 'is wanted, or code with its language, not both',
  })
  .refine((job) => (job.code === undefined) === (job.language === undefined), {
    path: ['language'],
    message: 'goes with code',
  });
export type SandboxJob = z.infer<typeof sandboxJobSchema>;
/** As callers write it, with defaults left out. */
export type SandboxJobInput = z.input<typeof sandboxJobSchema>;

export const sandboxResultSchema = z.object({
  /** UUIDv7 of the run. */
  id: z.string(),
  exit: z.enum(sandboxExits),
  /** Exit code of the program; null when a signal or we ended it. */
  code: z.int().nullable(),
  /** Such as SIGSEGV. */
  signal: z.string().nullable(),
  /** Base64, as far as the caps allow. */
  stdout: z.string(),
  stderr: z.string(),
  truncated: z.boolean(),
  usage: z.object({
    wallMs: z.number().min(0),
    cpuMs: z.number().min(0).nullable(),
    maxRssBytes: z.number().min(0).nullable(),
  }),
  /** The level that was used; null when nothing ran. */
  level: sandboxLevelField.nullable(),
  /** Such as `bubblewrap 0.8.0` or `quickjs 0.31.0`. */
  backend: z.string().nullable(),
  /** The kernel saw a uid of its own, not the executor's. */
  uidIsolated: z.boolean(),
  /** Memory, processes and CPU were held by a cgroup of its own, not only by rlimits. */
  cgroup: z.boolean(),
  limits: sandboxLimitsSchema,
  files: z.array(z.object({ path: z.string(), content: z.string() })),
  /** Why, for `refused` (LEVEL_UNAVAILABLE, POOL_EXHAUSTED …) and `sandbox_error`; never a host path. */
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type SandboxResult = z.infer<typeof sandboxResultSchema>;

/** The result of a job of which nothing was learned: it was not taken, or the sandbox failed (SB3). */
export const unlearnedResult = (
  exit: 'refused' | 'sandbox_error',
  { id, limits, error }: Pick<SandboxResult, 'id' | 'limits'> & { error: NonNullable<SandboxResult['error']> },
): SandboxResult => ({
  id,
  exit,
  code: null,
  signal: null,
  stdout: '',
  stderr: '',
  truncated: false,
  usage: { wallMs: 0, cpuMs: null, maxRssBytes: null },
  level: null,
  backend: null,
  uidIsolated: false,
  cgroup: false,
  limits,
  files: [],
  error,
});

const seconds = (ms: number) => `${ms / 1000} s`;

/** A line that tells why a run ended; '' when it ended by itself and nothing is missing of its output. */
export function sandboxEndText({ exit, signal, limits, error, truncated }: SandboxResult): string {
  const texts: Record<SandboxResult['exit'], string> = {
    ok: truncated ? `its output was cut at ${limits.outputBytes} bytes` : '',
    nonzero: truncated ? `its output was cut at ${limits.outputBytes} bytes` : '',
    signal: `ended by ${signal ?? 'a signal'}`,
    wall: `ended: longer than ${seconds(limits.wallMs)}`,
    cpu: `ended: more than ${seconds(limits.cpuMs)} of CPU time`,
    oom: `ended: more than ${limits.memoryBytes / mib} MiB of memory`,
    pids: `ended: more than ${limits.pids} processes or threads`,
    output: `ended: more than ${limits.outputBytes} bytes of output`,
    disk: `ended: more than ${limits.tmpBytes / mib} MiB of files`,
    refused: `not run: ${error?.message ?? 'refused'} (${error?.code ?? 'unknown'})`,
    sandbox_error: `the sandbox failed, nothing was learned: ${error?.message ?? ''} (${error?.code ?? 'unknown'})`,
  };
  return texts[exit];
}

export const levelReportSchema = z.object({
  level: sandboxLevelField,
  ready: z.boolean(),
  backend: z.string().nullable(),
  version: z.string().nullable(),
  platform: z.string(),
  uidIsolated: z.boolean(),
  cgroup: z.enum(['v1', 'v2', 'none']),
  /** Why it is not ready, and what to install or switch on. */
  reason: z.string().nullable(),
  /** Interpreters seen inside, with versions: python, bun, bash … */
  tools: z.record(z.string(), z.string()),
});
export type LevelReport = z.infer<typeof levelReportSchema>;

export const poolViewSchema = z.object({
  poolSize: z.int(),
  available: z.int(),
  inUse: z.int(),
  waiting: z.int(),
});

/** What arena holds of an executor: the daemon over its socket, or one in a test. */
export type SandboxRunner = {
  /** Never rejects for what the job does; rejects with AbortError, or when the executor is away. */
  run: (job: SandboxJobInput, signal?: AbortSignal) => Promise<SandboxResult>;
  levels: () => Promise<LevelReport[]>;
};
