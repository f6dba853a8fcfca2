import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from './command.ts';
import { CommandError } from './command-error.ts';

/** The data folder as an absolute path: the one given, else `.labmesh` in the home folder. */
export function dataFolderPath(given: string | undefined, env: Environment): string {
  if (given !== undefined && given !== '') return resolve(given);
  return join(env['HOME'] || homedir(), '.labmesh');
}

/** The settings file: the one given, else labmesh.toml here or in the data folder; undefined when there is none. */
export function settingsFilePath(
  given: string | undefined,
  data: string | undefined,
  env: Environment,
): string | undefined {
  const usual = ['labmesh.toml', join(dataFolderPath(data, env), 'labmesh.toml')];
  return given ?? usual.find((one) => existsSync(one));
}

/** Makes the folder when it is not there; its owner alone may look in. @throws CommandError */
export function openDataFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // An existing folder of ours that others may read is closed; one that is not ours fails here, before any secret.
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`the data folder ${path} cannot be used (${code})`, {
      hint: 'choose another with --data DIR, or give it to this user',
      cause: error,
    });
  }
}
