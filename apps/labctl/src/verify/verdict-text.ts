/**
 * Verdicts for people. The outcome comes first and in capitals; below it each verifier with the level its work ran at,
 * then where something failed. All of it may hold pieces of a stranger's answer, so all of it goes through `safeText`.
 */
import { provenProperties } from '@labmesh/arena/verify/proven-properties';
import type { CodeBlock } from '@labmesh/arena/verify/code-blocks';
import type { Aggregate, Outcome, Verdict } from '@labmesh/wire/verification/verdict';
import { z } from 'zod';
import { renderTable } from '../terminal/table.ts';
import { safeText } from '../terminal/safe-text.ts';

const meanings: Readonly<Record<Outcome, string>> = {
  valid: 'every hard check held',
  invalid: 'a hard check failed',
  inconclusive: 'nothing failed, but a hard check could not be made',
  unchecked: 'no hard check found anything to look at',
};

const headings = ['VERIFIER', 'STATUS', 'LEVEL', 'TIME', 'MESSAGE'];

/** A check that was skipped took no time, and a soft one decides nothing: both are seen at once. */
const row = ({ pluginName, status, hard, level, durationMs, message, code }: Verdict) => [
  pluginName,
  hard ? status : `${status} (soft)`,
  level?.replace(/^SANDBOX_/, '') ?? '-',
  status === 'skipped' ? '-' : `${Math.round(durationMs)} ms`,
  code === null ? message : `${message} (${code})`,
];

/** What verifiers write of a place: `failures` of json_schema, `errors` of code_linter. */
const placeSchema = z.looseObject({
  block_index: z.int().nullish(),
  line: z.int().nullish(),
  error: z.string().optional(),
  problems: z.array(z.looseObject({ at: z.string(), error: z.string() })).optional(),
});
const placesSchema = z.looseObject({
  failures: z.array(placeSchema).optional(),
  errors: z.array(placeSchema).optional(),
});

type Place = z.infer<typeof placeSchema>;

function placeLine(name: string, place: Place, blocks: readonly CodeBlock[]): string {
  const { block_index: index } = place;
  const line = place.line ?? blocks.find((block) => block.index === index)?.line;
  const block = typeof index === 'number' ? `block ${index}` : 'text';
  const where = line === undefined ? block : `${block}, line ${line}`;
  const problem = place.problems?.[0];
  return `${name}: ${where}: ${place.error ?? (problem === undefined ? 'fails' : `${problem.at} ${problem.error}`)}`;
}

/** A line for each place that failed; lines count from the answer's first, and a block's is that of its fence. */
function placeLines({ results }: Aggregate, blocks: readonly CodeBlock[]): string[] {
  return results
    .filter(({ status }) => status === 'failed')
    .flatMap(({ pluginName, details }) => {
      const places = placesSchema.safeParse(details).data;
      return [...(places?.failures ?? []), ...(places?.errors ?? [])].map((one) => placeLine(pluginName, one, blocks));
    });
}

/** The whole text, ending in a newline. */
export function verdictText(aggregate: Aggregate, blocks: readonly CodeBlock[], columns: number | undefined): string {
  const { outcome, results } = aggregate;
  const proven = provenProperties(aggregate);
  const places = placeLines(aggregate, blocks).map((line) => `  ${safeText(line)}\n`);
  return [
    `${outcome.toUpperCase()}: ${meanings[outcome]}\n\n`,
    renderTable(headings, results.map(row), { columns }),
    places.length === 0 ? '' : `\nWhere\n${places.join('')}`,
    proven.length === 0 ? '' : `\nShown: ${proven.join(', ')}\n`,
  ].join('');
}
