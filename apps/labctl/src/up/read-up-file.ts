import { readConfigFile } from '@labmesh/kit/config-file';
import { parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import type { Environment } from '../command.ts';
import { settingsFilePath } from '../data-folder.ts';
import { upOptions } from './up-options.ts';

/** The settings file: the one named, else labmesh.toml here or in the data folder. @throws OptionsError */
export async function readUpFile(argv: readonly string[], env: Environment): Promise<OptionsFile | undefined> {
  const { config, data } = parseOptions(upOptions, { argv, env }).values;
  const path = settingsFilePath(config, data, env);
  return path === undefined ? undefined : besideOthers(upOptions, await readConfigFile(path));
}
