import { readConfigFile } from '@labmesh/kit/config-file';
import { OptionsError, parseOptions } from '@labmesh/kit/options';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import { labdOptions, type LabdOptions } from './labd-options.ts';

/** Flags, `--config` and environment of `labd`; `words` is the command. @throws OptionsError. */
export async function readLabdOptions(argv: string[]): Promise<{ options: LabdOptions; words: string[] }> {
  const at = argv.findIndex((word) => word === '--config' || word === '-c');
  const path = at === -1 ? undefined : argv[at + 1];
  if (at !== -1 && path === undefined)
    throw new OptionsError({ source: '--config', exitCode: 2 }, 'a file is required');
  const rest = at === -1 ? argv : [...argv.slice(0, at), ...argv.slice(at + 2)];
  const file = path === undefined ? undefined : besideOthers(labdOptions, await readConfigFile(path));
  const { values, positionals } = parseOptions(labdOptions, { argv: rest, env: process.env, file, positionalsMax: 1 });
  return { options: values, words: positionals };
}
