import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { askSecret, secretFromFile } from '../login/read-secret.ts';

/** BK-1: shorter ones are refused when a backup is made. */
const passphraseCharsMin = 12;

/** The passphrase of a backup: from a file, or asked for; twice for a new one. @throws CommandError */
export async function readPassphrase(world: World, path: string | undefined, isNew: boolean): Promise<string> {
  const way = '--passphrase-file FILE, or - for stdin';
  const given =
    path === undefined
      ? await askSecret(world, 'Passphrase of the backup: ', way)
      : await secretFromFile(world, path, '--passphrase-file');
  if (isNew && given.length < passphraseCharsMin) {
    throw new CommandError(`the passphrase of a backup has ${passphraseCharsMin} characters or more`, {
      hint: 'head -c 24 /dev/urandom | base64 > FILE makes a good one; keep it apart from the backup',
      exitCode: exitCodes.usage,
    });
  }
  if (isNew && path === undefined && (await askSecret(world, 'Again: ', way)) !== given) {
    throw new CommandError('the two are not the same; nothing was done', { exitCode: exitCodes.failed });
  }
  return given;
}
