import type { Comparison, Judge, Judged } from '../../contract/judge.ts';
import { plainJudged } from '../check-injection.ts';

export const scores = (scoreA: number, scoreB: number): NonNullable<Comparison> => ({
  scoreA,
  scoreB,
  rationale: null,
  usd: 0.5,
});

/** A judge that says what `decide` does, and spends 1 + 1 tokens a call. */
export function scriptedJudge(
  decide: (first: Judged, second: Judged) => Comparison | Promise<Comparison>,
  name = 'scripted',
): Judge & { asked: [Judged, Judged][] } {
  const asked: [Judged, Judged][] = [];
  return {
    name,
    kind: 'llm',
    promptSha256: null,
    models: [name],
    asked,
    compare: async (first, second, signal, onSpent) => {
      signal.throwIfAborted();
      asked.push([first, second]);
      onSpent?.({ promptTokens: 1, completionTokens: 1, usd: 0.5 });
      return decide(first, second);
    },
  };
}

export const textOf = ({ candidate }: Judged): string =>
  typeof candidate.answer.content === 'string' ? candidate.answer.content : '';

export const judged = (text: string, more: Partial<Judged> = {}): Judged => ({ ...plainJudged('?', text), ...more });
