/**
 * A run as clients of the original executor read it (verification SB3): flat, snake_case, output as text. A pure function of
 * the result, so that it says nothing the result does not.
 */
import { z } from 'zod';
import { junitCounts, type JunitCounts } from './junit-counts.ts';
import { sandboxEndText, sandboxExits, type SandboxResult } from './sandbox.ts';

/**
 * `skipped` is the original's and is never given: clients count it as passed, and what was refused was not looked at. Both
 * ends from which nothing was learned are `error`, so that neither becomes a verdict about the code.
 */
export const compatStatuses = ['success', 'failure', 'timeout', 'error', 'skipped'] as const;
type CompatStatus = (typeof compatStatuses)[number];

const statusOf = {
  ok: 'success',
  nonzero: 'failure',
  signal: 'failure',
  wall: 'timeout',
  cpu: 'timeout',
  oom: 'failure',
  pids: 'failure',
  output: 'failure',
  disk: 'failure',
  refused: 'error',
  sandbox_error: 'error',
} as const satisfies Record<SandboxResult['exit'], CompatStatus>;

export const compatResultSchema = z.object({
  id: z.string(),
  status: z.enum(compatStatuses),
  /** Text; bytes that are no UTF-8 are U+FFFD. The plain result has the bytes. */
  stdout: z.string(),
  stderr: z.string(),
  /** -1 when it did not end by itself. */
  exit_code: z.int(),
  execution_time_ms: z.number().min(0),
  /** MiB at most at a time; null when nobody measured it. */
  memory_used_mb: z.number().min(0).nullable(),
  /** Of a JUnit report among the collected files, the program's own word; all 0 without one. */
  tests_passed: z.int().min(0),
  tests_failed: z.int().min(0),
  tests_total: z.int().min(0),
  /** Why it was no success; null of one. */
  error_message: z.string().nullable(),
  metadata: z.object({
    exit: z.enum(sandboxExits),
    signal: z.string().nullable(),
    error_code: z.string().nullable(),
    truncated: z.boolean(),
    cpu_time_ms: z.number().min(0).nullable(),
    isolation: z.string().nullable(),
    backend: z.string().nullable(),
    uid_isolated: z.boolean(),
    cgroup: z.boolean(),
    /** Path of the report that was counted. */
    tests_report: z.string().nullable(),
    /** Paths of what was collected; the plain result has their bytes. */
    files: z.array(z.string()),
  }),
});
export type CompatResult = z.infer<typeof compatResultSchema>;

const mib = 1024 * 1024;
/** Of a report; a multiple of four characters of base64. */
const reportBase64Most = 16_000;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const textOf = (base64: string) => decoder.decode(Uint8Array.fromBase64(base64));

/** The first collected file that is a report. */
function reportOf({ files }: SandboxResult): (JunitCounts & { path: string }) | undefined {
  for (const { path, content } of files) {
    if (!/\.xml$/i.test(path)) continue;
    const counts = junitCounts(textOf(content.slice(0, reportBase64Most)));
    if (counts !== undefined) return { path, ...counts };
  }
  return undefined;
}

function messageOf(result: SandboxResult): string | null {
  if (result.exit === 'ok') return null;
  return result.exit === 'nonzero' ? `ended with exit code ${result.code ?? 'unknown'}` : sandboxEndText(result);
}

/** @param result as `POST /v1/run` gives it; its output is base64 of the executor's own making */
export function compatResult(result: SandboxResult): CompatResult {
  const { usage, files } = result;
  const report = reportOf(result);
  return {
    id: result.id,
    status: statusOf[result.exit],
    stdout: textOf(result.stdout),
    stderr: textOf(result.stderr),
    exit_code: result.code ?? -1,
    execution_time_ms: usage.wallMs,
    memory_used_mb: usage.maxRssBytes === null ? null : Math.round((usage.maxRssBytes / mib) * 100) / 100,
    tests_passed: report?.passed ?? 0,
    tests_failed: report?.failed ?? 0,
    tests_total: report?.total ?? 0,
    error_message: messageOf(result),
    metadata: {
      exit: result.exit,
      signal: result.signal,
      error_code: result.error?.code ?? null,
      truncated: result.truncated,
      cpu_time_ms: usage.cpuMs,
      isolation: result.level,
      backend: result.backend,
      uid_isolated: result.uidIsolated,
      cgroup: result.cgroup,
      tests_report: report?.path ?? null,
      files: files.map(({ path }) => path),
    },
  };
}
