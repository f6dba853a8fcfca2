/** A leaderboard in words (verification AR15, AR17). */
import type { Leaderboard } from '@labmesh/wire/verification/arena-views';
import { safeText } from '../terminal/safe-text.ts';
import { renderTable } from '../terminal/table.ts';

const columns = ['RANK', 'MODEL', 'RATING', '95 %', 'BATTLES', 'VOTES'];

function tableOf({ rows }: Leaderboard, width: number | undefined): string {
  const cells = rows.map(({ rank, player, rating, lower, upper, battles, votes }) => [
    rank,
    player,
    Math.round(rating),
    `${Math.round(lower)} … ${Math.round(upper)}`,
    battles,
    votes,
  ]);
  return renderTable(columns, cells, { columns: width });
}

/** What one has to know to read the table. */
function notesOf({ leverage, style, battles, votes, voteWeight }: Leaderboard): string[] {
  const notes: string[] = [];
  if (leverage && leverage.battles !== null) {
    const overtaker = leverage.overtaker ?? 'another';
    notes.push(`without ${leverage.battles} of ${leverage.of} battles ${overtaker} would be first`);
  }
  if (style !== undefined) {
    const worth = Object.entries(style.coefficients ?? {}).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    notes.push(`at equal style; style alone is worth, in logits per standard deviation: ${worth.join(', ')}`);
    if (style.of > battles) notes.push(`over the ${battles} of ${style.of} battles whose style is known`);
  }
  if (votes > 0 && voteWeight !== 1) notes.push(`a vote of a person weighs ${voteWeight} beside a match`);
  return notes;
}

/** Lines, each with its end. @param width columns of the terminal; undefined = as wide as it is */
export function boardText(board: Leaderboard, width: number | undefined): string {
  const { rows, battles, votes, battlesNeeded, style } = board;
  if (rows.length === 0) {
    const of = votes === 0 ? '' : ` (${votes} votes of people)`;
    const known = style === undefined ? '' : ' with known style';
    return `no leaderboard yet: ${battles} battles${known}${of} of at least ${battlesNeeded}\n`;
  }
  return (
    tableOf(board, width) +
    notesOf(board)
      .map((note) => `${safeText(note)}\n`)
      .join('')
  );
}
