/** One way out of a sandbox that must be closed (verification SB18), and how the host sees that it is. */
import type { SandboxJobInput, SandboxResult } from '@labmesh/wire/verification/sandbox';
import type { EscapeWorld } from './escape-world.ts';

/** A result as the judge of a case reads it: the job's own words are only ever observations. */
export type SeenRun = Pick<SandboxResult, 'exit' | 'code' | 'signal' | 'truncated' | 'error'> & {
  stdout: string;
  stderr: string;
  /** Standard output as JSON; undefined when it is none. */
  told: Record<string, unknown> | undefined;
};

export type EscapeCase = {
  name: string;
  job: (world: EscapeWorld) => SandboxJobInput;
  /** What the host sees while the job runs. */
  meanwhile?: (world: EscapeWorld) => Promise<string | undefined>;
  /** What is wrong; undefined when the sandbox held. */
  fault: (seen: SeenRun, world: EscapeWorld) => string | undefined | Promise<string | undefined>;
};

export function readRun(result: SandboxResult): SeenRun {
  const [stdout, stderr] = [result.stdout, result.stderr].map((text) => Buffer.from(text, 'base64').toString('utf8'));
  let told: SeenRun['told'];
  try {
    told = JSON.parse(stdout ?? '') as SeenRun['told'];
  } catch {}
  const { exit, code, signal, truncated, error } = result;
  return { exit, code, signal, truncated, error, stdout: stdout ?? '', stderr: stderr ?? '', told };
}

/** The run must have ended by itself and told `name` as `expected`. */
export function mustTell(seen: SeenRun, expected: Record<string, unknown>): string | undefined {
  if (seen.exit !== 'ok') return `ended with ${seen.exit} (${seen.error?.code ?? seen.stderr.slice(-300)})`;
  const wrong = Object.entries(expected).find(([name, value]) => !Bun.deepEquals(seen.told?.[name], value));
  return wrong === undefined ? undefined : `${wrong[0]} is ${JSON.stringify(seen.told?.[wrong[0]])}`;
}

/** The run must have come to one of these ends. */
export const mustEnd = (seen: SeenRun, ...exits: SandboxResult['exit'][]): string | undefined =>
  exits.includes(seen.exit) ? undefined : `ended with ${seen.exit} ${seen.stdout.slice(0, 200)}`;
