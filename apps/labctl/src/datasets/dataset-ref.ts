import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** `NAME`, `NAME@3` or an id, as typed. @throws CommandError with exit code 2 */
export function readDatasetRef(given: string | undefined): string {
  if (given !== undefined && /^[a-z0-9][a-z0-9_-]{0,62}(@[1-9]\d{0,6})?$/.test(given)) return given;
  throw new CommandError('name a version: NAME, NAME@NUMBER or its id', {
    hint: 'labctl datasets list shows them',
    exitCode: exitCodes.usage,
  });
}
