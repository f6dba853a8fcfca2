import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { labmeshCommand } from './relay/labmesh.ts';
import { fullEffort, measure, quickEffort } from './relay/measure.ts';
import { generatorLines, relayTable } from './relay/relay-table.ts';
import { startStage, type Stage } from './relay/stage.ts';
import { otherLoadNote, relayGoals, relayMetrics } from './relay/summary.ts';
import { machineFacts, missedGoals, tidyMetrics, writeReport } from './report.ts';
import { canPin } from './started-process.ts';

/**
 * What a relay costs: CPU per JSON request and per SSE event, added latency, memory, errors; nginx (the limit), ours,
 * Portkey (a peer), one run, same pinning. Prints a table, writes the report. Exit code 1: `--assert` and a goal missed.
 */
export async function relayBench(argv: readonly string[], owned: AsyncDisposableStack): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ours: { type: 'string', default: labmeshCommand },
      out: { type: 'string' },
      quick: { type: 'boolean', default: false },
      assert: { type: 'boolean', default: false },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-bench-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const stage = await startStage(folder, owned, values.ours);
  const effort = values.quick ? quickEffort : fullEffort;
  const measured = await measure(stage, effort, (text) => console.error(`bench: ${text}`));
  const metrics = tidyMetrics(relayMetrics(measured));
  const notes = [...stage.missing].map(([name, reason]) => `${name} not obtainable: ${reason}`);
  for (const [name, runs] of measured.runs) {
    const failures = new Set(
      [...runs.unmeasured, ...runs.json, ...runs.sse, ...runs.paced].flatMap((run) => run.failures),
    );
    if (failures.size > 0) notes.push(`${name} failures: ${[...failures].join('; ')}`);
  }
  notes.push(...otherLoadNote(metrics));
  if (values.quick) notes.push('quick run: short windows, no repeats');
  if (!canPin) notes.push('taskset is missing: nothing was pinned');
  const machine = machineFacts(canPin);
  const versions = targetVersions(stage);
  const path = writeReport(
    { bench: 'relay', date: new Date().toISOString(), machine, versions, metrics, notes },
    values.out,
  );

  console.log(`${relayTable(metrics, stage.missing)}\n`);
  for (const line of [...generatorLines(metrics), ...notes]) console.log(line);
  console.log(`Written to ${relative(process.cwd(), path)}`);
  const missed = missedGoals(metrics, relayGoals);
  for (const goal of missed) console.log(`GOAL MISSED ${goal}`);
  return values.assert && missed.length > 0 ? 1 : 0;
}

function targetVersions(stage: Stage): Record<string, string> {
  const node = Bun.which('node');
  const of = (name: 'nginx' | 'labmesh' | 'portkey') => stage.targets.get(name)?.version ?? '';
  return {
    bun: Bun.version,
    node: node === null ? '' : Bun.spawnSync([node, '--version']).stdout.toString().trim().slice(1),
    labmesh: of('labmesh'),
    nginx: of('nginx'),
    portkey: of('portkey'),
  };
}
