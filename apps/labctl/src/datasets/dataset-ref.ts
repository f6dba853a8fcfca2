/** How versions of preference data are named on the command line. What the arena would refuse is refused before it is asked. */
import { datasetNameField } from '@labmesh/wire/verification/datasets';
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

/** The name that a new version gets; its number is the arena's to give. @throws CommandError with exit code 2 */
export function readDatasetName(given: string | undefined): string {
  const name = datasetNameField.safeParse(given);
  if (name.success) return name.data;
  const message = 'the name of a version is lower case letters, digits, dashes and underscores, at most 63';
  throw new CommandError(message, { hint: 'labctl datasets create code', exitCode: exitCodes.usage });
}
