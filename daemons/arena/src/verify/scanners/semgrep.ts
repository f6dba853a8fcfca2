/** semgrep, with rules of the operator's and nothing from the network. */
import { z } from 'zod';
import type { Severity } from '../audit/audit-rules.ts';
import { fileField, lineField, type Scanner } from './scanner.ts';

export const semgrepRulesFile = 'semgrep-rules.yml';

/** Old words and new ones. */
const severities: Readonly<Record<string, Severity>> = {
  INFO: 'low',
  LOW: 'low',
  WARNING: 'medium',
  MEDIUM: 'medium',
  ERROR: 'high',
  HIGH: 'high',
  CRITICAL: 'critical',
};

const printed = z.object({
  errors: z.array(z.unknown()),
  results: z.array(
    z.object({
      check_id: z.string().regex(/^[\w.-]{1,200}$/),
      path: fileField,
      start: z.object({ line: lineField }),
      extra: z.object({ severity: z.string() }),
    }),
  ),
});

const words = 'scan --json --quiet --metrics off --disable-version-check --disable-nosem --no-git-ignore --jobs 1';

export const semgrep: Scanner = {
  name: 'semgrep',
  endings: { python: 'py', javascript: 'js', typescript: 'ts', jsx: 'jsx', tsx: 'tsx', bash: 'sh' },
  argv: ['semgrep', ...words.split(' '), '--config', semgrepRulesFile],
  read(json) {
    const read = printed.safeParse(json);
    if (!read.success) return undefined;
    const findings = read.data.results.map(({ check_id, path, start, extra }) => ({
      file: path,
      rule: check_id,
      severity: severities[extra.severity] ?? 'medium',
      text: 'a semgrep rule of the operator',
      line: start.line,
    }));
    // It reads around what it does not understand, and leaves out rules that take too long on it.
    return { findings, isBlind: read.data.errors.length > 0 };
  },
};
