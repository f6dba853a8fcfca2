/** labman inside `labctl up`: the slugs of what the registry knows, and its listener when `[labman]` asks for one. */
import { type LabmanConfig, readLabmanConfig } from '@labmesh/labman/labman-config';
import { AddressInUseError, startLabman, type Labman } from '@labmesh/labman/labman';
import { SlugIndex } from '@labmesh/labman/slugs/slug-index';
import { systemClock } from '@labmesh/kit/clock';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { ComposeInput } from './compose-input.ts';
import type { Ground } from './ground.ts';

export type OwnNode = { slugs: SlugIndex; labman: Labman | undefined };

/** The same slugs, and no listener: --only leaves the node out. */
const withoutListeners = (config: LabmanConfig): LabmanConfig => ({
  ...config,
  proxy: { ...config.proxy, local: undefined },
  telemetry: { ...config.telemetry, metrics: undefined },
});

/**
 * Without `[labman]` slugs are the classic ones, so that names made by an older labman stay good.
 * @throws OptionsError for the settings, CommandError for a listener
 */
export async function openNode(
  input: Pick<ComposeInput, 'dataDir' | 'file' | 'log' | 'parts'>,
  ground: Ground,
  stack: AsyncDisposableStack,
): Promise<OwnNode> {
  const { registry, pool, closing } = ground;
  const log = input.log.child({ part: 'labman' });
  const isWanted = input.parts.has('node');
  if (input.file?.data['labman'] === undefined) {
    if (isWanted && input.parts.size === 1) {
      throw new CommandError('--only node: nothing is configured for it', {
        hint: 'a table [labman] in labmesh.toml says where it listens',
        exitCode: exitCodes.notConfigured,
      });
    }
    const slugs = new SlugIndex({ registry, scheme: 'classic', log });
    await slugs.start(closing);
    return { slugs, labman: undefined };
  }
  const read = readLabmanConfig(input.file, { warn: (line) => log.warn(line) });
  const config = isWanted ? read : withoutListeners(read);
  try {
    const parts = { registry, pool, clock: systemClock, log, signal: closing, stateDir: input.dataDir };
    const labman = stack.use(await startLabman(config, parts));
    return { slugs: labman.slugs, labman };
  } catch (error) {
    if (!(error instanceof AddressInUseError)) throw error;
    throw new CommandError(error.message, { exitCode: error.exitCode, cause: error });
  }
}
