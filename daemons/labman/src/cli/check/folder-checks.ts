/** What labmand writes to and listens on, before it starts. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ListenAddress, showListenAddress } from '@labmesh/kit/http/listen-address';
import type { LabmanConfig } from '../../labman-config.ts';
import { fail, type Finding, pass } from './finding.ts';

const [groupOrOthersWrite, searched] = [0o022, constants.W_OK | constants.X_OK];

/** The nearest folder that is there. */
function existing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path));
}

export function folderCheck(stateDir: string): Finding {
  const name = 'state folder';
  const there = existing(stateDir);
  try {
    accessSync(there, searched);
  } catch {
    return fail(name, `${there} cannot be written to`, `unit: StateDirectory=labman, or chown it to labmand's user`);
  }
  if (there !== stateDir) return pass(name, `${stateDir}, made at the first start`);
  const { mode } = statSync(stateDir);
  if (!statSync(stateDir).isDirectory()) return fail(name, `${stateDir} is no folder`, `move it away`);
  if ((mode & groupOrOthersWrite) === 0) return pass(name, stateDir);
  return fail(name, `${stateDir} can be written to by others, and it holds keys`, `chmod 700 ${stateDir}`);
}

function portCheck(key: string, { host, port }: ListenAddress): Finding {
  const at = showListenAddress({ host, port });
  try {
    Bun.listen({ hostname: host, port, socket: { data: () => undefined } }).stop(true);
    return pass(key, `${at} is free`);
  } catch (error) {
    const why = (error as { code?: string }).code ?? 'refused';
    return fail(key, `${at}: ${why}`, 'stop the program that has it, or write another port');
  }
}

/** @returns none while labmand runs: it has them itself. */
export function portChecks({ proxy, telemetry }: Pick<LabmanConfig, 'proxy' | 'telemetry'>): Finding[] {
  const wanted = [
    ['proxy.local_addr', proxy.local],
    ['telemetry.metrics_port', telemetry.metrics],
  ] as const;
  return wanted.flatMap(([key, address]) => (address === undefined ? [] : [portCheck(key, address)]));
}
