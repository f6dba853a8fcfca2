import { checkGoesOn, checkTiles } from '@labmesh/attest/log/check-log';
import { noteBytesMax } from '@labmesh/attest/merkle/signed-note';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readNamed, refusedError } from '../../verify/attest-files.ts';
import { logOptions } from '../../verify/cert-options.ts';
import { openTrustedLog } from '../../verify/open-log.ts';

/** A checkpoint that was kept; undefined when none was named. @throws CommandError (exit 2) */
async function readCheckpoint(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readNamed(path, '--checkpoint');
  if (bytes.length <= noteBytesMax) return new TextDecoder().decode(bytes);
  throw new CommandError('--checkpoint: too large for a checkpoint', { exitCode: exitCodes.usage });
}

/**
 * CT4, as a monitor would: without the lock and without private keys, while the log may be growing. What one run cannot
 * see is a second log that is shown to others; a checkpoint from elsewhere makes that visible.
 */
export const certLogVerify = defineCommand({
  name: 'cert log verify',
  summary:
    'Computes every hash of the transparency log anew and compares tiles, root and signature. With a checkpoint that was ' +
    'kept elsewhere it also proves that the log goes on from it: nothing taken away, and no second log shown to others. ' +
    'Exit code 1 when something is wrong.',
  usage: 'labctl cert log verify [--checkpoint FILE] [--log DIR] [--trust FILE] [--data DIR] [--json]',
  examples: ['labctl cert log verify', 'labctl cert log verify --checkpoint /mnt/safe/checkpoint'],
  options: {
    checkpoint: {
      type: 'string',
      flag: 'checkpoint',
      placeholder: 'FILE',
      help: 'a checkpoint of this log that was kept elsewhere',
    },
    ...logOptions,
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    const earlier = await readCheckpoint(values.checkpoint);
    try {
      const { log, trusted } = await openTrustedLog(values, world.env);
      await checkTiles(log);
      const older = earlier === undefined ? undefined : await checkGoesOn(log, earlier, trusted);
      const { size, root } = log.head;
      const found = { ok: true, origin: trusted.origin, size, root: root.toHex(), goesOnFrom: older?.size ?? null };
      const onFrom = older === undefined ? '' : `, and goes on from ${older.size}`;
      world.stdout(
        values.json
          ? `${JSON.stringify(found)}\n`
          : `${trusted.origin}: ${size} entries are as they were logged${onFrom}\n`,
      );
    } catch (error) {
      throw refusedError(error, 'the log');
    }
  },
});
