/**
 * A thousand agents lose their labd at the same moment and come back (AG-4, HB-11, RL-2): nobody is lost, and they do not
 * come as a herd. The agents are simulated; when they dial is decided by lab-agent's own code, and by what labd tells.
 *
 *     LABMESH_HERD=3000 bun test tests/fleet-herd.test.ts --timeout 600000
 */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './harness/fleet/two-replicas.ts';
import { waitFor } from './harness/fleet/look.ts';
import { startLabd } from './harness/start-labd.ts';
import { type FakeAgents, startFakeAgents } from './simulators/fleet/start-fake-agents.ts';

const count = Number(process.env['LABMESH_HERD'] ?? 1_000);
/** What labd tells so many; less than a quarter more is no news to who knows of fewer. */
const spreadMs = Math.min(30_000, Math.max(1_000, count * 10));
const toldMs = spreadMs / 1.25;
/** Peaks are looked for in so long a time: where many processes share few cores, all stand still for a second. */
const windowMs = 5_000;
/** And for longer, now and then: so many restarts are tried. */
const roundsMax = 3;
const longMs = 600_000;
const toml = '[limits]\nenrol_per_min = 1000000\nanonymous_per_min = 1000000';

/** Most within any `ms`, as a rate a second. `times` in ms, in order. */
function peakPerS(times: readonly number[], ms: number): number {
  let from = 0;
  let peak = 0;
  for (const [index, at] of times.entries()) {
    while (at - (times[from] ?? at) >= ms) from++;
    peak = Math.max(peak, index - from + 1);
  }
  return (peak * 1_000) / ms;
}

/** Peak over mean of a return, when all are back. */
async function ratioOfReturn(fakes: FakeAgents): Promise<number> {
  await waitFor(async () => (await fakes.ask({ do: 'counts' })).connected === count, longMs);
  const { returns, waits } = await fakes.ask({ do: 'counts' });
  const times = returns.toSorted((a, b) => a - b);
  expect(times.length).toBeGreaterThanOrEqual(count);
  // Each first try by itself somewhere in the range that labd told.
  for (const quarter of [0, 1, 2, 3]) {
    const tries = waits.filter((share) => Math.floor(4 * share) === quarter);
    expect(tries.length / waits.length).toBeGreaterThan(0.15);
  }
  expect(Math.max(...waits)).toBeLessThanOrEqual(1);
  const spanS = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000;
  const [mean, peak, inOneS] = [times.length / spanS, peakPerS(times, windowMs), peakPerS(times, 1_000)];
  console.log(
    `${count} back within ${spanS.toFixed(1)} s, ${mean.toFixed(0)}/s; most ${peak.toFixed(0)}/s, in one second ${inOneS}`,
  );
  return peak / mean;
}

test(
  `${count} agents, labd killed and started again: all back, and never more a second than three times the mean`,
  async () => {
    await using opened = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-herd-'));
    opened.defer(() => rmSync(folder, { recursive: true, force: true }));
    const [api = 0, agents = 0] = await freePorts(2);
    const start = () =>
      startLabd({ toml, labd: 'trusted_proxies = ["127.0.0.1"]', folder, ports: [api, agents], logLevel: 'info' });
    let labd = await start();
    opened.defer(() => labd[Symbol.asyncDispose]());
    const fakes = opened.use(startFakeAgents());
    const bundlePem = await (await fetch('http://labd/ca/bundle', { unix: labd.socket })).text();
    const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', { type: 'reusable', maxUses: count });
    await fakes.ask({ do: 'enrol', count, url: labd.agents, bundlePem, token });
    await fakes.ask({ do: 'connect', tries: 60 });
    // The first that came knew a smaller fleet; they hear of its growth.
    await waitFor(async () => ((await fakes.ask({ do: 'counts' })).spreadMs ?? 0) > toldMs, 60_000);

    const ratios: number[] = [];
    while (ratios.length < roundsMax && !ratios.some((ratio) => ratio <= 3)) {
      await fakes.ask({ do: 'come-back' });
      await labd[Symbol.asyncDispose]();
      labd = await start();
      ratios.push(await ratioOfReturn(fakes));
    }
    expect(Math.min(...ratios)).toBeLessThanOrEqual(3);
    // Beyond what the agents believe: labd has every one of them.
    const { agents: known } = await labd.call<{ agents: { connected: number } }>('GET', '/health/detailed');
    expect(known.connected).toBe(count);
  },
  longMs,
);
