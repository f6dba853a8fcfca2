/** What updates stand on: the folders, the memory, the key and the times; or why this agent takes none. */
import type { KeyObject } from 'node:crypto';
import type { ReleaseArch } from '@labmesh/wire/fleet/releases';
import type { AgentOptions } from '../agent-options.ts';
import { agentArch } from '../version.ts';
import { parseReleaseKey } from './release-key.ts';
import { UpdateFile } from './update-file.ts';
import { VersionFolders } from './version-folders.ts';

export type UpdateGround = {
  /** Of this process. */
  version: string;
  arch: ReleaseArch;
  key: KeyObject;
  folders: VersionFolders;
  file: UpdateFile;
  /** Longest wait for sessions; how long a new version must be connected, and within which time. */
  delayMs: number;
  confirmMs: number;
  trialMs: number;
};

type GroundOptions = Pick<
  AgentOptions,
  'update' | 'releaseKey' | 'installDir' | 'stateDir' | 'updateDelayMs' | 'updateConfirmMs' | 'updateTrialMs'
>;

/**
 * The ground, or in one line why there is none.
 * @param selfCommand words that start this program again: one of them is its file
 * @throws OptionsError for a release key that is none.
 */
export function updateGround(
  options: GroundOptions,
  version: string,
  selfCommand: readonly string[],
): UpdateGround | string {
  const { releaseKey, installDir, updateDelayMs, updateConfirmMs, updateTrialMs } = options;
  const key = releaseKey === undefined ? undefined : parseReleaseKey(releaseKey);
  if (!options.update) return 'agent.update is false';
  if (key === undefined) return 'there is no agent.release_key';
  const folders = new VersionFolders(installDir);
  if (!selfCommand.some((word) => folders.versionOf(word) === version))
    return 'this program does not stand in agent.install_dir, under its version';
  const file = new UpdateFile(options.stateDir);
  const times = { delayMs: updateDelayMs, confirmMs: updateConfirmMs, trialMs: updateTrialMs };
  return { version, arch: agentArch, key, folders, file, ...times };
}
