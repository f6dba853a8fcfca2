/** Tool boxes of tests: their servers are named by address, and arguments are checked by the sandbox of this process. */
import { systemClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { wasmRunner } from '../../verify/testing/wasm-runner.ts';
import { ToolBox } from '../tools/tool-box.ts';
import type { ToolServerSettings, ToolSettings } from '../tools/tool-settings.ts';

/** A machine that is busy with other tests takes its time: no answer of a check depends on it. */
function patientRunner(): SandboxRunner {
  const { run, levels } = wasmRunner();
  return { levels, run: (job, signal) => run({ ...job, limits: { ...job.limits, cpuMs: 60_000 } }, signal) };
}

export type TestServer = Partial<ToolServerSettings> & { url: string };

/** `docs`, `more`, … in the order that they are given, with all that settings would say of them. */
export function serverSettings({ url, ...rest }: TestServer): ToolServerSettings {
  const { hostname: host, port, pathname, search } = new URL(url);
  const usual = { name: 'docs', token: undefined, allow: [], block: [], tenants: ['*'] };
  return { ...usual, origin: { host, port: Number(port), tls: false }, path: `${pathname}${search}`, ...rest };
}

export function openTools(
  servers: readonly TestServer[],
  settings: Partial<ToolSettings> = {},
  parts: { runner?: SandboxRunner; clock?: typeof systemClock; log?: Logger } = {},
): ToolBox {
  const usual = { rounds: 8, calls: 32, timeoutMs: 5_000, atOnce: 64, cacheEntries: 8_192, cacheMs: 600_000 };
  return new ToolBox({
    settings: { ...usual, ...settings, servers: servers.map(serverSettings) },
    runner: patientRunner(),
    clock: systemClock,
    log: silentLogger,
    ...parts,
  });
}
