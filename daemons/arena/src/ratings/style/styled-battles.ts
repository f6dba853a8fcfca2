/** Single battles with the style of their answers (AR15): sums hold none, and texts go with the run that nobody keeps (P7). */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { FinishedRun } from '../../contract/finished-run.ts';
import type { Board } from '../battle-counts.ts';
import { type Style, styleOf } from './style-control.ts';

/** A battle as it was fought: `winner` names a side. `voteWeight` as in BattleCount. */
export type StyledResult = {
  playerA: string;
  playerB: string;
  winner: 'a' | 'b' | 'tie';
  styles: readonly [Style, Style];
  voteWeight?: number;
};

/** Newest of each source that a board looks at: a fit with its resamples takes seconds. */
const newestMost = 5_000;

type Answer = FinishedRun['candidates'][number]['final'];

/** The text of an answer, as its reader sees it: tool calls have no style. */
function textOf(answer: Answer): string {
  const content = answer?.answer.content;
  if (!Array.isArray(content)) return content ?? '';
  return content.map((part) => ('text' in part && typeof part.text === 'string' ? part.text : '')).join('\n');
}

/** Of both answers, as it is stored: counts, and nothing of the words. */
export const stylesText = (a: Answer, b: Answer): string => JSON.stringify([styleOf(textOf(a)), styleOf(textOf(b))]);

/** Adds the matches of a run between answers of different models: in the transaction that ends it. */
export async function addStyledBattles(
  tx: Writer,
  board: Board,
  { tournament, candidates }: Pick<FinishedRun, 'tournament' | 'candidates'>,
): Promise<void> {
  const byIndex = new Map(candidates.map((candidate) => [candidate.index, candidate]));
  const rows = (tournament?.matches ?? []).flatMap(({ a, b, winner }) => {
    const [one, other] = [byIndex.get(a), byIndex.get(b)];
    if (winner === 'void' || one === undefined || other === undefined || one.model === other.model) return [];
    const players = { player_a: one.model, player_b: other.model };
    const style = stylesText(one.final, other.final);
    return { id: uuidv7(), created_at: Date.now(), ...board, ...players, winner, style };
  });
  if (rows.length > 0) await tx.insertInto('arena_styled_battles').values(rows).execute();
}

type Row = { player_a: string | null; player_b: string | null; winner: string; style: string | null };

const resultOf = ({ player_a, player_b, winner, style }: Row): StyledResult => ({
  playerA: player_a ?? '',
  playerB: player_b ?? '',
  winner: winner as StyledResult['winner'],
  styles: JSON.parse(style ?? '') as StyledResult['styles'],
});

/** The newest 5,000 matches and 5,000 votes of a board whose style is known; what was counted before styles were has none. */
export async function readStyledBattles(db: Reader, board: Board, voteWeight: number): Promise<StyledResult[]> {
  const { tenant, bracket, task } = board;
  const columns = ['player_a', 'player_b', 'winner', 'style'] as const;
  const matches = await db
    .selectFrom('arena_styled_battles')
    .select(columns)
    .where('tenant', '=', tenant)
    .where('bracket', '=', bracket)
    .where('task', '=', task)
    .orderBy('id', 'desc')
    .limit(newestMost)
    .execute();
  if (voteWeight === 0) return matches.map(resultOf);
  const votes = await db
    .selectFrom('arena_labels')
    .select(columns)
    .where('tenant', '=', tenant)
    .where('bracket', '=', bracket)
    .where('task', '=', task)
    .where('confidence_ppm', '>', 0)
    .where('style', 'is not', null)
    .whereRef('player_a', '<>', 'player_b')
    .orderBy('id', 'desc')
    .limit(newestMost)
    .execute();
  return [...matches.map(resultOf), ...votes.map((vote) => ({ ...resultOf(vote), voteWeight }))];
}
