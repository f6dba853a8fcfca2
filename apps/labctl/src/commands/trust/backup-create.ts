import { CommandError } from '../../command-error.ts';
import { readPassphrase } from '../../backup/read-passphrase.ts';
import { writeBackup } from '../../backup/write-backup.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { sizeText } from '../../output/server-views.ts';

/** BK-1: streams into a file that holds the whole backup or is not there. */
export const backupCreate = defineFleetCommand({
  name: 'backup create',
  summary:
    'Writes one consistent snapshot of everything labd knows into a file, sealed by a passphrase: CA keys, serials, the ' +
    'deny list, audit chains. Without --with-key it opens only beside the key file of labd.',
  usage: 'labctl backup create --out FILE --passphrase-file FILE [--with-key] [--recordings]',
  examples: [
    'labctl backup create --out lab.labbak --passphrase-file pass.txt',
    'labctl backup create --out full.labbak --passphrase-file pass.txt --with-key --recordings',
  ],
  options: {
    out: { type: 'string', flag: 'out', placeholder: 'FILE', help: 'file to write; it must not be there' },
    passphraseFile: {
      type: 'string',
      flag: 'passphrase-file',
      placeholder: 'FILE',
      help: 'passphrase, or - for stdin',
    },
    withKey: {
      type: 'boolean',
      flag: 'with-key',
      default: false,
      help: 'put the key file in: file and passphrase then give every secret',
    },
    recordings: { type: 'boolean', flag: 'recordings', default: false, help: 'put the recordings of this replica in' },
  },
  positionalsMax: 0,
  async run({ values, change, labd, tasks, note, result, world }) {
    const { out, passphraseFile, withKey, recordings } = values;
    if (out === undefined) throw new CommandError('--out FILE is missing', { exitCode: exitCodes.usage });
    const passphrase = await readPassphrase(world, passphraseFile, true);
    const bytes = await change(`write a backup to ${out}`, async () => {
      const client = await labd();
      using progress = tasks();
      // A log wants no line for each piece.
      const told = (count: number) =>
        progress.set(out, 'running', world.stderrIsTerminal ? (sizeText(count) ?? '') : 'receiving');
      const written = await writeBackup({
        out,
        passphrase,
        open: () => client.stream('create-backup', { body: { passphrase, withKey, recordings } }),
        onBytes: told,
      });
      progress.set(out, 'done', sizeText(written) ?? '');
      return written;
    });
    if (bytes === undefined) return;
    note(
      withKey
        ? 'it holds the keys: keep file and passphrase apart'
        : 'it opens only with the key file of labd: keep that, too',
    );
    await result.object({ path: out, bytes, withKey, recordings }, '');
  },
});
