import { systemClock } from '@labmesh/kit/clock';
import type { AgentOptions } from '../agent-options.ts';
import { guard } from './guard.ts';
import { UpdateFile } from './update-file.ts';
import { VersionFolders } from './version-folders.ts';

/** `lab-agent guard` with the settings of this machine; gives the line to show. @throws what the file system says. */
export const runGuard = ({ installDir, stateDir, updateTrialMs }: AgentOptions): string =>
  guard({
    folders: new VersionFolders(installDir),
    file: new UpdateFile(stateDir),
    clock: systemClock,
    trialMs: updateTrialMs,
  });
