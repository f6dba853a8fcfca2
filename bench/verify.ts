import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { labmeshVersion, machineFacts, markdownTable, missedGoals, tidyMetrics, writeReport } from './report.ts';
import { claims } from './verify/claims.ts';
import { endToEnd } from './verify/end-to-end.ts';
import { passing } from './verify/passing.ts';
import { ratings } from './verify/ratings.ts';
import { sandboxStarts } from './verify/sandbox-starts.ts';
import type { PartFigures, VerifyPart } from './verify/verify-part.ts';

/** In the order of the report; each knows its own goals. */
const parts: Readonly<Record<string, VerifyPart>> = { starts: sandboxStarts, claims, ratings, passing, e2e: endToEnd };

function wanted(only: string | undefined): [string, VerifyPart][] {
  const names = only?.split(',') ?? Object.keys(parts);
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) throw new Error(`no part named ${unknown}; there are: ${Object.keys(parts).join(', ')}`);
  return names.map((name) => [name, parts[name] as VerifyPart]);
}

/** What verification costs, part by part. Writes the report; with --only nothing, since it would lack the others. */
export async function verifyBench(argv: readonly string[], owned: AsyncDisposableStack): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { assert: { type: 'boolean', default: false }, only: { type: 'string' }, out: { type: 'string' } },
  });
  const chosen = wanted(values.only);
  const all: PartFigures[] = [];
  for (const [name, { measure }] of chosen) {
    console.error(`bench: ${name}`);
    const figures = await measure(owned);
    const [header = [], ...rows] = figures.table;
    console.log(`${markdownTable(header, rows)}\n`);
    all.push(figures);
  }
  const metrics = tidyMetrics(Object.assign({}, ...all.map((one) => one.metrics)) as Record<string, number>);
  if (values.only === undefined || values.out !== undefined) {
    const versions = { bun: Bun.version, labmesh: labmeshVersion() };
    const report = { bench: 'verify', date: new Date().toISOString(), machine: machineFacts(false), versions };
    const out = writeReport({ ...report, metrics, notes: all.flatMap(({ notes }) => notes) }, values.out);
    console.log(`Written to ${relative(process.cwd(), out)}`);
  }
  const missed = missedGoals(
    metrics,
    chosen.flatMap(([, { goals }]) => goals),
  );
  for (const line of missed) console.error(`goal missed: ${line}`);
  return values.assert && missed.length > 0 ? 1 : 0;
}
