import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';

/** Characters of an answer that are read at all, and of a rationale that are kept. */
const answerCharsMost = 65_536;
const rationaleCharsMost = 2000;

const score = z.number().min(0).max(10);
const judgeAnswerSchema = z.object({
  combined_scores: z.object({ Agent_A: score, Agent_B: score }),
  winner: z.enum(['Agent_A', 'Agent_B', 'Tie']),
  rationale: z.string().nullish(),
});

export type JudgeAnswer = { scoreA: number; scoreB: number; rationale: string | null };

/** Engines put thoughts before the answer, and some a fence around it; anything else beside the object is refused. */
function bareJson(text: string): string {
  const thought = text.trimStart().startsWith('<think>') ? text.lastIndexOf('</think>') : -1;
  const said = (thought < 0 ? text : text.slice(thought + '</think>'.length)).trim();
  if (!said.startsWith('```') || !said.endsWith('```')) return said;
  const from = said.indexOf('\n');
  return from < 0 ? said : said.slice(from + 1, -3).trim();
}

const signs = { Agent_A: 1, Agent_B: -1, Tie: 0 } as const;

/**
 * The scores of a judge's answer; null when it is not the object that was asked for, whole: no JSON is looked for inside
 * other text, which could be a candidate's. A winner against the scores is no answer; where only one of both says a tie,
 * it is a tie.
 */
export function parseJudgeAnswer(text: string): JudgeAnswer | null {
  if (text.length > answerCharsMost) return null;
  const parsed = judgeAnswerSchema.safeParse(parseJson(bareJson(text)));
  if (!parsed.success) return null;
  const { combined_scores: scores, winner, rationale } = parsed.data;
  const [named, meant] = [signs[winner], Math.sign(scores.Agent_A - scores.Agent_B)];
  if (named * meant < 0) return null;
  const middle = (scores.Agent_A + scores.Agent_B) / 2;
  const [scoreA, scoreB] = named === meant ? [scores.Agent_A, scores.Agent_B] : [middle, middle];
  return { scoreA, scoreB, rationale: rationale?.slice(0, rationaleCharsMost) ?? null };
}
