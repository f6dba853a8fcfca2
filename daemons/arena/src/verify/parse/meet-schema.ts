/** Values against a schema, inside the sandbox (V9). */
import type { SandboxLevel, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { type GuestJob, guestAnswerSchema, type SchemaProblem } from '../guest/guest-messages.ts';
import { guestProgram } from '../guest/guest-program.ts';
import { schemaDocument, SchemaRefused } from './schema-document.ts';

/**
 * What one test of a pattern may take. A test that does not end is ended with its job: starting a process counts for the
 * job's limits, so those are wider.
 */
const patternMs = 50;
const jobLimits = { cpuMs: 1000, wallMs: 3000, outputBytes: 256 * 1024 } as const;

export type SchemaMeeting =
  | { state: 'met'; results: { valid: boolean; problems: SchemaProblem[] }[]; level: SandboxLevel | null }
  /** Nothing was learned. */
  | { state: 'error'; code: string; message: string; level: SandboxLevel | null };

/** Limits that end a job whose time depends on schema and value. */
const outOfTime: readonly SandboxResult['exit'][] = ['wall', 'cpu', 'oom', 'output'];

function reading({ exit, stdout, level, error }: SandboxResult): SchemaMeeting {
  const failed = (code: string, message: string): SchemaMeeting => ({ state: 'error', code, message, level });
  const timeout = failed('SCHEMA_TIMEOUT', `the schema's check took too long (a pattern may take ${patternMs} ms)`);
  if (outOfTime.includes(exit)) return timeout;
  if (exit !== 'ok') return failed(error?.code ?? 'SANDBOX_ERROR', `the check could not run (${exit})`);
  if (level === null) return failed('SANDBOX_ERROR', 'the check ran at no level');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(stdout, 'base64').toString());
  } catch {
    return failed('SANDBOX_ERROR', 'the check gave no answer');
  }
  const answer = guestAnswerSchema.safeParse(parsed);
  if (!answer.success) return failed('SANDBOX_ERROR', 'the check gave no answer');
  if ('timeout' in answer.data) return timeout;
  if ('fault' in answer.data) return failed('SCHEMA_INVALID', `the schema cannot be used: ${answer.data.fault}`);
  return { state: 'met', results: answer.data.results, level };
}

/** Never throws for what schema and values are. @throws what the runner throws */
export async function meetSchema(
  rawSchema: unknown,
  values: readonly unknown[],
  { runner, signal }: { runner: SandboxRunner; signal: AbortSignal },
): Promise<SchemaMeeting> {
  let schema: unknown;
  try {
    schema = schemaDocument(rawSchema);
  } catch (error) {
    if (error instanceof SchemaRefused)
      return { state: 'error', code: error.code, message: error.message, level: null };
    throw error;
  }
  const job: GuestJob = { schema, values, patternMs };
  // A text inside a text: whatever stands in it is data, and no `__proto__` is set by parsing.
  const code = `${guestProgram}\nmeetSchema(${JSON.stringify(JSON.stringify(job))});\n`;
  const result = await runner.run(
    { minLevel: 'SANDBOX_L0_WASM', language: 'javascript', code, limits: jobLimits },
    signal,
  );
  const meeting = reading(result);
  if (meeting.state === 'error' || meeting.results.length === values.length) return meeting;
  return { state: 'error', code: 'SANDBOX_ERROR', message: 'the check gave no answer', level: result.level };
}
