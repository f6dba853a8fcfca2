/** The issuer of the data folder, with what opens its keys: as the arena of that folder is told, by file and environment. */
import { issuerKeys, readIssuerKeySettings } from '@labmesh/arena/certify/issuer-keys';
import { readConfigFile } from '@labmesh/kit/config-file';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { configOption, dataOption } from '../common-options.ts';
import { dataFolderPath, settingsFilePath } from '../data-folder.ts';
import { exitCodes } from '../exit-codes.ts';
import { refusedError } from './attest-files.ts';

/** For commands that open the issuer's keys: they have to find what seals them. */
export const issuerOptions = { ...dataOption, ...configOption };

export type IssuerFlags = { data?: string | undefined; config?: string | undefined };
/** `path`: the issuer's folder. */
export type IssuerKeys = ReturnType<typeof issuerKeys>;

/** Nothing is read of it yet, and it need not be there. @throws OptionsError (exit 3) for a setting with a fault */
export async function findIssuerKeys({ data, config }: IssuerFlags, world: World): Promise<IssuerKeys> {
  const path = settingsFilePath(config, data, world.env);
  const file = path === undefined ? undefined : await readConfigFile(path);
  return issuerKeys(dataFolderPath(data, world.env), readIssuerKeySettings(file, world.env), (made) => {
    world.stderr(`note: made a new key file, ${made}: back it up, apart from the keys that it seals\n`);
  });
}

/** What a refusal means to the person: exit 3 when the keys do not open, else as of any file of an issuer. */
export function issuerError(error: unknown, folder: string): unknown {
  if (!(error instanceof SecretsRefused)) return refusedError(error, folder);
  return new CommandError(error.message, { exitCode: exitCodes.notConfigured, cause: error });
}
