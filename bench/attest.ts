import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { measureCertificates } from './attest/measure-certificates.ts';
import { groupEntries, measureLog } from './attest/measure-log.ts';
import {
  type Goal,
  labmeshVersion,
  machineFacts,
  markdownTable,
  missedGoals,
  round,
  tidyMetrics,
  writeReport,
} from './report.ts';

/** Of a CPU second, which other load on the machine does not change. */
const goals: readonly Goal[] = [
  { metric: 'signs_per_cpu_s', min: 20_000 },
  { metric: 'appends_per_cpu_s', min: 100_000 },
  { metric: 'log_proofs_per_cpu_s', min: 20_000 },
];

/** What signing, logging and proving cost, on one thread and a real disk. Writes the report. */
export async function attestBench(argv: readonly string[], owned: AsyncDisposableStack): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { assert: { type: 'boolean', default: false }, dir: { type: 'string' }, out: { type: 'string' } },
  });
  const folder = mkdtempSync(join(values.dir ?? tmpdir(), 'labmesh-attest-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const rates = { ...(await measureCertificates()), ...(await measureLog(folder)) };
  const flat = Object.entries(rates).flatMap(([name, { perS, perCpuS }]) => [
    [`${name}_per_s`, perS],
    [`${name}_per_cpu_s`, perCpuS],
  ]);
  const metrics = tidyMetrics(Object.fromEntries(flat) as Record<string, number>);
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  const notes = [`groups of ${groupEntries} entries, each synced; statement of the tests' sample certificate`];
  const report = { bench: 'attest', date: new Date().toISOString(), machine: machineFacts(false), versions };
  const out = writeReport({ ...report, metrics, notes }, values.out);
  const rows = Object.entries(rates).map(([name, one]) => [name, `${round(one.perS)}`, `${round(one.perCpuS)}`]);
  console.log(`${markdownTable(['unit', 'a second', 'a CPU second'], rows)}\n`);
  console.log(`Written to ${relative(process.cwd(), out)}`);
  const missed = missedGoals(metrics, goals);
  for (const line of missed) console.error(`goal missed: ${line}`);
  return values.assert && missed.length > 0 ? 1 : 0;
}
