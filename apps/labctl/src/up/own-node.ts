/** labman inside `labctl up`: the slugs of what the registry knows, and its listener when `[labman]` asks for one. */
import { readLabmanConfig } from '@labmesh/labman/labman-config';
import { AddressInUseError, startLabman, type Labman } from '@labmesh/labman/labman';
import { SlugIndex } from '@labmesh/labman/slug-index';
import { systemClock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { CommandError } from '../command-error.ts';
import type { Ground } from './ground.ts';

export type OwnNode = { slugs: SlugIndex; labman: Labman | undefined };

/**
 * Without `[labman]` slugs are the classic ones, so that names made by an older labman stay good.
 * @throws OptionsError for the settings, CommandError for a listener
 */
export async function openNode(
  input: { dataDir: string; file: OptionsFile | undefined; log: Logger },
  ground: Ground,
  stack: AsyncDisposableStack,
): Promise<OwnNode> {
  const { registry, pool, closing } = ground;
  const log = input.log.child({ part: 'labman' });
  if (input.file?.data['labman'] === undefined) {
    const slugs = new SlugIndex({ registry, scheme: 'classic', log });
    await slugs.start(closing);
    return { slugs, labman: undefined };
  }
  const config = readLabmanConfig(input.file, { warn: (line) => log.warn(line) });
  try {
    const parts = { registry, pool, clock: systemClock, log, signal: closing, stateDir: input.dataDir };
    const labman = stack.use(await startLabman(config, parts));
    return { slugs: labman.slugs, labman };
  } catch (error) {
    if (!(error instanceof AddressInUseError)) throw error;
    throw new CommandError(error.message, { exitCode: error.exitCode, cause: error });
  }
}
