/**
 * Finds instructions under which a judge agrees with people (verification AR17). Trials are shared out by halving: all
 * candidates see the first comparisons, the better half of them the next ones, and so on; the present instructions stay to
 * the end, so that whoever is left was measured beside them on the same comparisons. What was chosen so looks better than it
 * is: what counts is the held-out part, which nothing was chosen by.
 */
import type { JudgeTuningView, TuneJudge } from '@labmesh/wire/verification/judge-views';
import { tuningLimits } from '@labmesh/wire/verification/judge-views';
import type { Judge, JudgeSpent } from '../../contract/judge.ts';
import { instructionsSha256 } from '../judge-prompt.ts';
import { playMatch } from '../play-match.ts';
import type { GoldComparison, GoldParts } from './gold-comparison.ts';
import { candidateInstructions } from './instruction-candidates.ts';
import { meanInterval } from './mean-interval.ts';

type TuneParts = {
  judge: (instructions: string) => Judge;
  /** What the judge is told now. */
  present: string;
  gold: GoldParts;
  signal: AbortSignal;
  onSpent?: (spent: JudgeSpent) => void;
};
export type Tuned = Pick<JudgeTuningView, 'present' | 'best' | 'difference'>;

type Tried = { instructions: string; judge: Judge; scores: number[] };

/** Sum of both orders, when one answer gets all and the other nothing. */
const marginMost = 20;

const mean = ({ scores }: Tried) => scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);

/** 0.5 + 0.5 · confidence when the judge says what people said, else 0: so is a tie, and a comparison that is void. */
async function scoreOf(judge: Judge, gold: GoldComparison, { signal, onSpent }: TuneParts): Promise<number> {
  const { scoreA, scoreB, winner } = await playMatch(judge, gold.chosen, gold.rejected, signal, onSpent);
  return winner === 'a' ? 0.5 + 0.5 * Math.min(1, Math.abs(scoreA - scoreB) / marginMost) : 0;
}

async function scoresOf(judge: Judge, gold: readonly GoldComparison[], parts: TuneParts): Promise<number[]> {
  const scores: number[] = [];
  for (const one of gold) scores.push(await scoreOf(judge, one, parts));
  return scores;
}

/** The candidates that are left, best first, without the present one. */
async function search(present: Tried, others: readonly Tried[], trials: number, parts: TuneParts): Promise<Tried[]> {
  const { train } = parts.gold;
  let [field, left] = [[...others], trials];
  for (let from = 0; from < train.length && field.length < left; from += tuningLimits.trialComparisons) {
    const shown = train.slice(from, from + tuningLimits.trialComparisons);
    for (const one of [present, ...field]) one.scores.push(...(await scoresOf(one.judge, shown, parts)));
    left -= field.length + 1;
    field = field.toSorted((a, b) => mean(b) - mean(a)).slice(0, Math.ceil(field.length / 2));
  }
  return field;
}

/**
 * It costs up to 16 calls a trial, and two a held-out comparison for the present instructions and for the best.
 * @throws what `compare` throws
 */
export async function tuneJudge(parts: TuneParts, { candidates, trials, seed }: TuneJudge): Promise<Tuned> {
  const texts = candidateInstructions(parts.present, candidates, seed);
  const tried = texts.map((instructions): Tried => ({ instructions, judge: parts.judge(instructions), scores: [] }));
  const [present, ...others] = tried as [Tried, ...Tried[]];
  const [first] = await search(present, others, trials, parts);
  const best = first !== undefined && mean(first) > mean(present) ? first : null;
  const { heldOut } = parts.gold;
  const before = await scoresOf(present.judge, heldOut, parts);
  const after = best === null ? [] : await scoresOf(best.judge, heldOut, parts);
  const view = ({ instructions, scores }: Tried, held: readonly number[]) => ({
    prompt: instructionsSha256(instructions),
    instructions,
    train: meanInterval(scores, seed),
    heldOut: meanInterval(held, seed),
  });
  const gains = after.map((score, at) => score - (before[at] ?? 0));
  return {
    present: view(present, before),
    best: best && view(best, after),
    difference: best && meanInterval(gains, seed),
  };
}
