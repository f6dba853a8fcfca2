import { arenaTables } from '@labmesh/arena/arena-settings';
import { gatewayFileKeys } from '@labmesh/gateway/gateway-options';
import { readConfigFile } from '@labmesh/kit/config-file';
import { sandboxTables } from '@labmesh/executor/sandbox-settings';
import { parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { Environment } from '../command.ts';
import { settingsFilePath } from '../data-folder.ts';
import { fleetTables } from './fleet/fleet-settings.ts';
import { upOptions } from './up-options.ts';

/** Tables that other parts read by schemas of their own. */
const tablesElsewhere = [
  'endpoints',
  'endpoint',
  'labman',
  ...sandboxTables,
  ...arenaTables,
  ...fleetTables,
  ...gatewayFileKeys,
];

/** The settings file: the one named, else labmesh.toml here or in the data folder. @throws OptionsError */
export async function readUpFile(argv: readonly string[], env: Environment): Promise<OptionsFile | undefined> {
  const { config, data } = parseOptions(upOptions, { argv, env }).values;
  const path = settingsFilePath(config, data, env);
  return path === undefined ? undefined : { ...(await readConfigFile(path)), known: tablesElsewhere };
}
