/**
 * What verification costs a request that asks for nothing (verification AC8): the gateway's CPU for a small chat request,
 * without an arena, with one that all pass by, and in audit mode. The three take turns, each first as often as the others;
 * the arena is a process of its own on the other core, and as busy in each turn.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../percentile.ts';
import { startLabmesh } from '../relay/labmesh.ts';
import { type LoadRun, runLoad, startUpstream } from '../relay/stage.ts';
import { checkTarget, type Target } from '../relay/target.ts';
import { cell } from '../report.ts';
import { placeForArena, startBusyArena } from './busy-arena.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

const rounds = 15;
const up = './labctl up --json --no-demo --data {data} --port 0 --config {config} --only gateway';
/** Without an arena, then by mode. */
const ways = ['none', 'passthrough', 'audit'] as const;
type Way = (typeof ways)[number];
const small: LoadRun = { mode: 'closed', connections: 32, seconds: 2, warmupMs: 1_000 };
/** The compiler sees the code of each first. */
const warmUp: LoadRun = { ...small, seconds: 6 };
const [targetCore, otherCore] = [0, 1];

type Seen = { cpu: Record<Way, number[]>; audited: number; asked: number };

/** Starts the gateways, each in a folder of its own; those that know an arena know the same one. */
async function startWays(owned: AsyncDisposableStack, folder: string, upstreamPort: number) {
  const place = await placeForArena(folder, otherCore);
  const targets = {} as Record<Way, Target>;
  for (const name of ways) {
    const home = join(folder, name);
    mkdirSync(home);
    const arena = `[gateway]\ninternal_key_file = "${place.secretFile}"\narena_url = "${place.url}"\n`;
    const toml = name === 'none' ? '' : `${arena}[verification]\nmode = "${name}"\n`;
    targets[name] = await startLabmesh({ folder: home, core: targetCore, upstreamPort, toml }, owned, up);
  }
  return { targets, arena: await startBusyArena(owned, place, targets.audit.url) };
}

/** Answers that the arena gave a verdict on, so far. */
async function auditedBy({ url, headers }: Target): Promise<number> {
  const page = await fetch(new URL('/metrics', url), {
    headers: headers.map((line) => line.split(': ', 2) as [string, string]),
  });
  const counts = (await page.text()).matchAll(
    /^labmesh_gateway_verifications_total\{mode="audit",result="(?:valid|invalid|inconclusive|unchecked)"\} (\d+)$/gm,
  );
  return Iterator.from(counts).reduce((sum, [, count]) => sum + Number(count), 0);
}

async function measure(owned: AsyncDisposableStack): Promise<PartFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-passing-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { upstream, port } = await startUpstream(folder, owned);
  const { targets, arena } = await startWays(owned, folder, port);
  const seen: Seen = { cpu: { none: [], passthrough: [], audit: [] }, audited: 0, asked: 0 };
  const run = (name: Way, load: LoadRun) => {
    const once = () => runLoad({ upstream }, targets[name], load);
    // The gateway that audits offers more than an arena takes by itself.
    return name === 'audit' ? once() : arena.during(once);
  };
  for (const name of ways) {
    await checkTarget(targets[name]);
    await run(name, warmUp);
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      await measureTurn(seen, run, targets, ways[(round + turn) % ways.length] as Way);
    }
  }
  return figuresOf(seen, loadavg()[0] ?? 0);
}

async function measureTurn(
  seen: Seen,
  run: (name: Way, load: LoadRun) => ReturnType<typeof runLoad>,
  targets: Record<Way, Target>,
  name: Way,
): Promise<void> {
  const before = name === 'audit' ? await auditedBy(targets[name]) : 0;
  const { cpuUs, requests, errors, failures, seconds } = await run(name, small);
  if (errors > 0) throw new Error(`${name}: ${failures.join('; ')}`);
  seen.cpu[name].push((cpuUs['target'] ?? Number.NaN) / requests);
  if (name !== 'audit') return;
  const audited = (await auditedBy(targets[name])) - before;
  // An arena that does nothing would make a good figure.
  if (audited === 0) throw new Error('not one answer was audited');
  seen.audited += audited;
  // Those of the warm-up are counted as its window has them, each second alike.
  seen.asked += (requests * (seconds + small.warmupMs / 1_000)) / seconds;
}

function figuresOf({ cpu, audited, asked }: Seen, load: number): PartFigures {
  // Turn by turn: what else the machine did met all three of a turn.
  const ratio = (name: Way) => median(cpu[name].map((us, turn) => us / (cpu.none[turn] ?? Number.NaN)));
  const metrics = {
    request_cpu_us: median(cpu.none),
    request_cpu_us_passthrough: median(cpu.passthrough),
    request_cpu_us_audit: median(cpu.audit),
    request_cpu_ratio_passthrough: ratio('passthrough'),
    request_cpu_ratio_audit: ratio('audit'),
    request_audited_percent: (100 * audited) / asked,
  };
  return {
    metrics,
    notes: [
      `passing: load ${load.toFixed(1)}, this run among it; the arena ran as many audits as it takes in every turn`,
      'passing: request_audited_percent of the answers were audited, the others found no room (dropped)',
    ],
    table: [
      ['a small chat request', 'CPU µs', '× without an arena'],
      ['no arena', cell(metrics.request_cpu_us, 1), ''],
      ['passthrough', cell(metrics.request_cpu_us_passthrough, 1), cell(metrics.request_cpu_ratio_passthrough, 3)],
      ['audit', cell(metrics.request_cpu_us_audit, 1), cell(metrics.request_cpu_ratio_audit, 3)],
      ['audited, % of the answers', cell(metrics.request_audited_percent, 2), ''],
    ],
  };
}

export const passing: VerifyPart = {
  goals: [
    { metric: 'request_cpu_ratio_passthrough', max: 1.05 },
    { metric: 'request_cpu_ratio_audit', max: 1.05 },
  ],
  measure,
};
