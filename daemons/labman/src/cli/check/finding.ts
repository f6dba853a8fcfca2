/** What one check found. `unknown`: it could not be told, and that is said; only `fail` fails. */
import { z } from 'zod';

export const findingSchema = z.object({
  name: z.string(),
  result: z.enum(['pass', 'fail', 'unknown']),
  detail: z.string(),
  /** The command or setting that mends it. */
  fix: z.string().nullable(),
});
export type Finding = z.infer<typeof findingSchema>;

export const pass = (name: string, detail: string): Finding => ({ name, result: 'pass', detail, fix: null });
export const fail = (name: string, detail: string, fix: string): Finding => ({ name, result: 'fail', detail, fix });
export const unknown = (name: string, detail: string, fix?: string): Finding => ({
  name,
  result: 'unknown',
  detail,
  fix: fix ?? null,
});

/** An error that says the way out behind its first semicolon; else `way` is it. */
export function failure(name: string, error: unknown, way: string): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const at = message.indexOf('; ');
  return at < 0 ? fail(name, message, way) : fail(name, message.slice(0, at), message.slice(at + 2));
}

export const isFine = (findings: readonly Finding[]): boolean => findings.every(({ result }) => result !== 'fail');

export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ name, result, detail, fix }) => [
    `${(result === 'fail' ? 'FAIL' : result).padEnd(8)} ${name.padEnd(width)}  ${detail}`,
    ...(fix === null ? [] : [`${' '.repeat(9)}${' '.repeat(width)}  fix: ${fix}`]),
  ]);
  return `${lines.join('\n')}\n`;
}
