/** `[verify]` of labmesh.toml for `labctl verify`: an answer is checked here as the arena of that file would check it. */
import { everyVerifier } from '@labmesh/arena/verify/built-in-verifiers';
import { readVerifySettings, type VerifySettings } from '@labmesh/arena/verify/verify-settings';
import { readConfigFile } from '@labmesh/kit/config-file';
import { OptionsError } from '@labmesh/kit/options';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { settingsFilePath } from '../data-folder.ts';
import { exitCodes } from '../exit-codes.ts';

/**
 * Of the file that was named, else of the one that `labctl up` would find; without a file the defaults.
 * @throws CommandError (exit 2) with file, line and key: exit 3 belongs to answers that could not be checked
 */
export async function fileSettings(
  { config, data }: { config: string | undefined; data: string | undefined },
  env: Environment,
): Promise<VerifySettings> {
  const path = settingsFilePath(config, data, env);
  try {
    return readVerifySettings(path === undefined ? undefined : await readConfigFile(path), everyVerifier);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    throw new CommandError(error.message, { exitCode: exitCodes.usage, cause: error });
  }
}
