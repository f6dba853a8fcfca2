import { renderTable } from '../../terminal/table.ts';
import type { ComparedCheck } from './compare-checks.ts';

const words: Readonly<Record<ComparedCheck['result'], string>> = {
  same: 'the same',
  differs: 'DIFFERS',
  not_made: 'not made again',
};

/** What was signed beside what came out, a line each; the verdict first. */
export function reproductionText(checks: readonly ComparedCheck[]): string {
  const count = (result: ComparedCheck['result']) => checks.filter((one) => one.result === result).length;
  const verdict =
    count('differs') > 0
      ? 'DIFFERS: not all of it comes out as it was signed'
      : count('not_made') > 0
        ? 'INCOMPLETE: what was made again comes out as it was signed'
        : 'REPRODUCED: all of it comes out as it was signed';
  const rows = checks.map(({ name, result, reason }) => [name, words[result], reason ?? '']);
  return `${verdict}\n\n${renderTable(['CHECK', 'RESULT', 'WHY'], rows)}`;
}
