/** The settings of this machine's node, as a command finds them without a running labmand. */
import { existsSync } from 'node:fs';
import { readConfigFile } from '@labmesh/kit/config-file';
import { type LabmanConfig, readLabmanConfig } from '../labman-config.ts';
import { type TunnelPaths, tunnelPaths } from '../tunnel/tunnel-paths.ts';
import type { LabmanFlags } from './labman-options.ts';

const usualPath = '/etc/labman/labman.toml';
const unnamed = { privateKeyPath: undefined, publicKeyPath: undefined };

/** Undefined: no file is named, and there is none at the usual place. @throws OptionsError */
export async function settingsOf(
  { config }: Pick<LabmanFlags, 'config'>,
  warn: (line: string) => void = () => undefined,
): Promise<LabmanConfig | undefined> {
  const path = config ?? (existsSync(usualPath) ? usualPath : undefined);
  return path === undefined ? undefined : readLabmanConfig(await readConfigFile(path), { warn });
}

/** Where this node's keys are, by its settings if there are any. @throws OptionsError */
export async function pathsOf(flags: Pick<LabmanFlags, 'config' | 'stateDir'>): Promise<TunnelPaths> {
  const settings = await settingsOf(flags);
  return tunnelPaths(settings?.tunnel ?? { keys: unnamed, rosenpass: unnamed }, flags.stateDir);
}
