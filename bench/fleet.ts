import { loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { measureSessions } from './fleet/measure-execs.ts';
import { measurePeers } from './fleet/measure-peers.ts';
import { type LinkCosts, measureBare, measureLabd } from './fleet/measure-links.ts';
import { type FleetStage, prepareStage } from './fleet/stage.ts';
import { fleetGoals, fleetTable, linkMetrics, withRatios } from './fleet/summary.ts';
import { labmeshVersion, machineFacts, missedGoals, tidyMetrics, writeReport } from './report.ts';
import { canPin } from './started-process.ts';

const parts = ['ledger', 'links', 'sessions', 'peers'] as const;

/**
 * What a fleet costs labd: links of simulated agents and their heartbeats, commands, bytes, certificates, audit rows,
 * each beside what it is made of. Prints a table, writes the report. Exit code 1: `--assert` and a goal missed.
 * `--only links,ledger` for parts.
 */
export async function fleetBench(argv: readonly string[], owned: AsyncDisposableStack): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      agents: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: parts.join(',') },
      out: { type: 'string' },
      assert: { type: 'boolean', default: false },
    },
  });
  const [agents, rounds] = [Number(values.agents), Number(values.rounds)];
  const load = loadavg()[0] ?? 0;
  const measured = await measure(owned, { agents, rounds, only: values.only.split(',') });
  const metrics = tidyMetrics(withRatios({ agents, ...measured }));
  const notes = canPin ? [] : ['taskset is missing: nothing was pinned'];
  if (load > 0.5) notes.push(`other work ran as it began (load ${load.toFixed(1)}): repeat it`);
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  const report = { bench: 'fleet', date: new Date().toISOString(), machine: machineFacts(canPin), versions };
  const path = writeReport({ ...report, metrics, notes }, values.out);
  console.log(`${fleetTable(metrics)}\n`);
  for (const note of notes) console.log(note);
  console.log(`Written to ${relative(process.cwd(), path)}`);
  const missed = missedGoals(metrics, fleetGoals);
  for (const goal of missed) console.log(`GOAL MISSED ${goal}`);
  return values.assert && missed.length > 0 ? 1 : 0;
}

type Plan = { agents: number; rounds: number; only: readonly string[] };

async function measure(owned: AsyncDisposableStack, { agents, rounds, only }: Plan): Promise<Record<string, number>> {
  const say = (text: string) => console.error(`bench: ${text}`);
  const metrics: Record<string, number> = {};
  if (only.includes('ledger')) {
    say('audit rows and certificates');
    Object.assign(metrics, await measureLedger());
  }
  if (only.includes('peers')) {
    say('a hop between replicas');
    Object.assign(metrics, await measurePeers());
  }
  if (!only.includes('links') && !only.includes('sessions')) return metrics;
  say(`enrolling ${agents} agents`);
  const stage = await prepareStage(owned, agents);
  metrics['certificates_per_s'] = stage.certificates.perS;
  metrics['certificate_cpu_ms'] = stage.certificates.cpuMs;
  if (only.includes('links')) Object.assign(metrics, await measureLinks(stage, rounds, say));
  if (only.includes('sessions')) {
    say('commands and streams');
    Object.assign(metrics, await measureSessions(stage));
  }
  return metrics;
}

/** labd and the bare server in turns. */
async function measureLinks(stage: FleetStage, rounds: number, say: (text: string) => void) {
  const [labd, bare]: [LinkCosts[], LinkCosts[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    say(`links, round ${round} of ${rounds}`);
    bare.push(await measureBare(stage));
    labd.push(await measureLabd(stage));
  }
  return linkMetrics(labd, bare);
}

async function measureLedger(): Promise<Record<string, number>> {
  const command = [process.execPath, join(import.meta.dir, 'fleet/ledger.ts')];
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' });
  const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
  if (code !== 0) throw new Error(`the ledger bench ended with ${code}`);
  return JSON.parse(text) as Record<string, number>;
}
