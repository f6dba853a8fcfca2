/**
 * Where the issuer's keys lie and what they are sealed with (verification CT6): a key file beside the arena's other keys and
 * not in the folder of what it seals, so that a copy of that folder has no key in it. `labctl cert` reads the same settings.
 */
import { join } from 'node:path';
import { folderFiles, type KeyFolder } from '@labmesh/attest/keys/key-folder';
import { defineOptions, parseOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { FileSealer } from '@labmesh/pki/seal/file-sealer';
import { kmsFileKeys, kmsOptions, readKmsSettings } from './kms/kms-settings.ts';
import { TransitClient } from './kms/transit-client.ts';

const [kekFileKey, passphraseEnv, previousEnv] = [
  'attest.kek_file',
  'ATTEST_ENCRYPTION_KEY',
  'ATTEST_ENCRYPTION_KEY_PREVIOUS',
] as const;

export const issuerKeyOptions = defineOptions({
  kekFile: {
    type: 'string',
    file: kekFileKey,
    placeholder: 'FILE',
    help: 'key-encryption key that seals the signing keys; made at the first start; default: arena/kek.key in the data folder',
  },
  kekPassphrase: {
    type: 'string',
    env: passphraseEnv,
    envFile: true,
    secret: true,
    help: 'passphrase in place of that file',
  },
  kekPreviousPassphrase: {
    type: 'string',
    env: previousEnv,
    envFile: true,
    secret: true,
    help: 'the passphrase before, for the start that goes over to another or to the file',
  },
  ...kmsOptions,
});
export type IssuerKeySettings = OptionValues<typeof issuerKeyOptions>;

/** These alone, whatever else the file holds: for who has to open the keys and is no arena. @throws OptionsError (exit 3) */
export function readIssuerKeySettings(
  file: OptionsFile | undefined,
  env: Readonly<Record<string, string | undefined>>,
): IssuerKeySettings {
  const attest = file?.data['attest'];
  const names = ['kek_file', ...kmsFileKeys];
  const table = typeof attest === 'object' && attest !== null ? Object.entries(attest) : [];
  const data = { attest: Object.fromEntries(table.filter(([name]) => names.includes(name))) };
  return parseOptions(issuerKeyOptions, { argv: [], env, file: file && { ...file, data } }).values;
}

/**
 * The issuer's folder in a data folder; it need not be there yet.
 * @param onNewKeyFile told its path: whoever loses that file loses the keys
 * @throws OptionsError (exit 3) for a service that cannot be
 */
export function issuerKeys(
  dataDir: string,
  { kekFile, kekPassphrase, kekPreviousPassphrase, ...service }: IssuerKeySettings,
  onNewKeyFile: (path: string) => void,
): KeyFolder & { sealer: FileSealer } {
  const path = join(dataDir, 'attest');
  const sealer = new FileSealer({
    file: join(path, folderFiles.keys),
    place: { table: 'attest', rowId: folderFiles.keys, field: 'keys' },
    keyFile: kekFile ?? join(dataDir, 'arena', 'kek.key'),
    passphrase: kekPassphrase,
    previousPassphrase: kekPreviousPassphrase,
    settings: { keyFile: kekFileKey, passphrase: passphraseEnv, previousPassphrase: previousEnv },
    onNewKeyFile,
  });
  const kms = readKmsSettings(service);
  return { path, sealer, kms: kms && new TransitClient(kms) };
}
