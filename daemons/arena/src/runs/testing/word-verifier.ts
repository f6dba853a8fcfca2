/** A verifier and a judge whose findings a test can read off the answer. */
import { z } from 'zod';
import type { Judge } from '../../contract/judge.ts';
import type { Verifier } from '../../contract/verifier.ts';
import { textOf } from '../steps/report.ts';

/** What an answer says of itself decides: `BAD` fails, `ERR` cannot be checked, `PLAIN` has nothing to check. */
export const wordVerifier = (onCheck: () => void = () => {}): Verifier => ({
  name: 'code_linter',
  version: '1.0.0',
  description: 'reads the word in the answer',
  class: 1,
  minLevel: null,
  hard: true,
  configSchema: z.object({}),
  verify: async ({ answer }) => {
    onCheck();
    const text = textOf(answer);
    const details = { code_preview: text.slice(0, 100) };
    if (text.includes('ERR')) return { status: 'error', message: 'executor away', details, code: 'EXECUTOR_AWAY' };
    if (text.includes('BAD')) return { status: 'failed', message: `no good: ${text.slice(0, 40)}`, details };
    if (text.includes('PLAIN')) return { status: 'skipped', message: 'nothing to check', details };
    return { status: 'passed', message: 'ok', details, grants: ['SYNTAX_OK'] };
  },
});

/** Longer is better; `onCall` counts. */
export const longerJudge = (onCall: () => void | Promise<void> = () => {}): Judge => ({
  name: 'longer',
  kind: 'llm',
  promptSha256: 'ab'.repeat(32),
  models: [],
  compare: async (a, b) => {
    await onCall();
    const [scoreA, scoreB] = [a, b].map(({ candidate }) => Math.min(10, textOf(candidate.answer).length / 10));
    return { scoreA: scoreA ?? 0, scoreB: scoreB ?? 0, rationale: 'the longer one', usd: 0.001 };
  },
});
