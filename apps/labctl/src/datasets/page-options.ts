/** Lists of the arena come a page at a time: how long a page is, and where the next one begins. */
import { defineOptions } from '@labmesh/kit/options';
import { datasetLimits } from '@labmesh/wire/verification/datasets';

/** Of lists of the arena. */
export const pageOptions = defineOptions({
  limit: {
    type: 'integer',
    flag: 'limit',
    default: 50,
    min: 1,
    max: datasetLimits.pageMost,
    placeholder: 'N',
    help: `how many; default 50, at most ${datasetLimits.pageMost}`,
  },
  cursor: { type: 'string', flag: 'cursor', placeholder: 'TEXT', help: 'go on after a page: its nextCursor' },
});

/** `?limit=…` of what was given. */
export function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  return `?${query.toString()}`;
}

/** How to go on, for a person; nothing on the last page. */
export const moreText = (nextCursor: string | null): string =>
  nextCursor === null ? '' : `there are more: --cursor ${nextCursor}\n`;
