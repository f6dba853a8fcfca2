/**
 * What verification costs a request that asks for nothing (verification AC8): the gateway's CPU for a small chat request,
 * without an arena, with one that all pass by, and in audit mode. The arena is a process of its own on the other core;
 * what it does afterwards is not the request's. The three take turns.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../percentile.ts';
import { startLabmesh } from '../relay/labmesh.ts';
import { type LoadRun, runLoad, startUpstream } from '../relay/stage.ts';
import { checkTarget, type Target } from '../relay/target.ts';
import { freePorts } from '../../tests/harness/fleet/two-replicas.ts';
import { cell, repositoryRoot } from '../report.ts';
import { StartedProcess } from '../started-process.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

const rounds = 5;
const up = './labctl up --json --no-demo --data {data} --port 0 --config {config} --only gateway';
/** Without an arena, then by mode. */
const ways = ['none', 'passthrough', 'audit'] as const;
type Way = (typeof ways)[number];
const small: LoadRun = { mode: 'closed', connections: 32, seconds: 4, warmupMs: 1_000 };
/** The compiler sees the code of each first. */
const warmUp: LoadRun = { ...small, seconds: 6 };
const [targetCore, otherCore] = [0, 1];

type ArenaPlace = { home: string; secret: string; port: number; gateway: string };

async function startArena(owned: AsyncDisposableStack, { home, secret, port, gateway }: ArenaPlace): Promise<void> {
  const where = ['--listen', `127.0.0.1:${port}`, '--gateway-url', gateway, '--data', join(home, 'arena')];
  const command = ['./labctl', 'lab-arena', '--token-file', secret, ...where];
  const started = new StartedProcess({ name: 'arena', command, core: otherCore, folder: home, cwd: repositoryRoot });
  await owned.use(started).readyLine();
}

async function measure(owned: AsyncDisposableStack): Promise<PartFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-passing-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { upstream, port: upstreamPort } = await startUpstream(folder, owned);
  const targets = new Map<Way, Target>();
  for (const name of ways) {
    const home = join(folder, name);
    mkdirSync(home);
    const secret = join(home, 'arena.key');
    const [port = 0] = await freePorts(1);
    const arena = `[gateway]\ninternal_key_file = "${secret}"\narena_url = "http://127.0.0.1:${port}"\n`;
    const toml = name === 'none' ? '' : `${arena}[verification]\nmode = "${name}"\n`;
    const target = await startLabmesh({ folder: home, core: targetCore, upstreamPort, toml }, owned, up);
    if (toml !== '') await startArena(owned, { home, secret, port, gateway: target.url });
    await checkTarget(target);
    await runLoad({ upstream }, target, warmUp);
    targets.set(name, target);
  }
  const cpu: Record<Way, number[]> = { none: [], passthrough: [], audit: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, target] of targets) {
      const { cpuUs, requests, errors, failures } = await runLoad({ upstream }, target, small);
      if (errors > 0) throw new Error(`${name}: ${failures.join('; ')}`);
      cpu[name].push((cpuUs['target'] ?? Number.NaN) / requests);
    }
  }
  return figuresOf(cpu);
}

function figuresOf(cpu: Record<Way, number[]>): PartFigures {
  // Turn by turn: what else the machine did met all three of a turn.
  const ratio = (name: Way) => median(cpu[name].map((us, turn) => us / (cpu.none[turn] ?? Number.NaN)));
  const metrics = {
    request_cpu_us: median(cpu.none),
    request_cpu_us_passthrough: median(cpu.passthrough),
    request_cpu_us_audit: median(cpu.audit),
    request_cpu_ratio_passthrough: ratio('passthrough'),
    request_cpu_ratio_audit: ratio('audit'),
  };
  return {
    metrics,
    notes: [],
    table: [
      ['a small chat request', 'CPU µs', '× without an arena'],
      ['no arena', cell(metrics.request_cpu_us, 1), ''],
      ['passthrough', cell(metrics.request_cpu_us_passthrough, 1), cell(metrics.request_cpu_ratio_passthrough, 3)],
      ['audit', cell(metrics.request_cpu_us_audit, 1), cell(metrics.request_cpu_ratio_audit, 3)],
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
