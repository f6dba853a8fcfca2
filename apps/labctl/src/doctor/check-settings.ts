import { readAliases } from '@labmesh/gateway/aliases';
import { readEndpoints } from '@labmesh/inference/registry/endpoint-config';
import { OptionsError, parseOptions } from '@labmesh/kit/options';
import type { Environment } from '../command.ts';
import { readUpFile } from '../up/read-up-file.ts';
import { upOptions } from '../up/up-options.ts';
import { failing, okay, type Finding } from './finding.ts';

/** Reads the settings as `labctl up` would; gives the port they ask for. */
export async function checkSettings(
  argv: readonly string[],
  env: Environment,
): Promise<{ finding: Finding; port: number }> {
  const name = 'settings';
  try {
    const file = await readUpFile(argv, env);
    const { values } = parseOptions(upOptions, { argv, env, file });
    if (file === undefined) return { finding: okay(name, 'no settings file; defaults'), port: values.port };
    const count = readEndpoints(file, { requireV1: false }).length;
    readAliases(file);
    return {
      finding: okay(name, `${file.path}, ${count === 1 ? '1 endpoint' : `${count} endpoints`}`),
      port: values.port,
    };
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    return { finding: failing(name, error.message, 'mend this line'), port: upOptions.port.default };
  }
}
