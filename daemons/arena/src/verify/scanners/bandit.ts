/** bandit, for Python: its own names and severities. What a comment asks it to leave out is looked at all the same. */
import { z } from 'zod';
import { auditRules, type Severity } from '../audit/audit-rules.ts';
import { fileField, lineField, type Scanner } from './scanner.ts';

const severities: Readonly<Record<string, Severity>> = { LOW: 'low', MEDIUM: 'medium', HIGH: 'high' };

const printed = z.object({
  errors: z.array(z.unknown()),
  results: z.array(
    z.object({
      filename: fileField,
      line_number: lineField,
      test_id: z.string().regex(/^B\d{3,4}$/),
      test_name: z.string().regex(/^\w{1,80}$/),
      issue_severity: z.string(),
    }),
  ),
});

export const bandit: Scanner = {
  name: 'bandit',
  endings: { python: 'py' },
  argv: ['bandit', '--quiet', '--format', 'json', '--number', '1', '--ignore-nosec'],
  read(json) {
    const read = printed.safeParse(json);
    if (!read.success) return undefined;
    const findings = read.data.results.map((one) => ({
      file: one.filename,
      rule: one.test_id,
      severity: severities[one.issue_severity] ?? 'low',
      text: auditRules[one.test_id]?.text ?? `bandit: ${one.test_name}`,
      line: one.line_number,
    }));
    return { findings, isBlind: read.data.errors.length > 0 };
  },
};
