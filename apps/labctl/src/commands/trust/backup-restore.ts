import { join } from 'node:path';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { CommandError } from '../../command-error.ts';
import { countsText, explained, keyOptions, keyPlace, openFile, restorer, warningsTo } from '../../backup/offline.ts';
import { readPassphrase } from '../../backup/read-passphrase.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { renderFields } from '../../output/result.ts';

const options = {
  passphraseFile: { type: 'string', flag: 'passphrase-file', placeholder: 'FILE', help: 'passphrase, or - for stdin' },
  data: { type: 'string', flag: 'data', placeholder: 'DIR', help: "labd's data folder: keys and recordings go there" },
  databaseUrl: {
    type: 'string',
    flag: 'database-url',
    env: 'DATABASE_URL',
    envFile: true,
    secret: true,
    placeholder: 'URL',
    help: 'an empty store: sqlite:///path or postgresql://…; default DIR/labd.db',
  },
  ...keyOptions,
} as const;

/** Restores into the store of the URL, and makes the data folder that of the labd which goes on from there. */
async function restore(call: FleetCall<typeof options>, path: string, dataDir: string) {
  const { values, world, note } = call;
  const passphrase = await readPassphrase(world, values.passphraseFile, false);
  const { restoreOffline } = await import('../../backup/restore-offline.ts');
  const log = warningsTo(note);
  const { clock } = world;
  return explained(async () => {
    const backup = await openFile(path, passphrase);
    const where = { url: values.databaseUrl, dataDir };
    const keys = keyPlace(dataDir, values);
    const restored = await restoreOffline(where, { backup, principal: restorer, keys, clock, log });
    // The chain that begins with `restored-from` is the replica's that goes on with it.
    writePrivateFile(join(dataDir, 'replica-id'), `${restored.chain}\n`);
    return restored;
  });
}

/** BK-2, offline: labd must not run. What cannot work is found before the store is touched. */
export const backupRestore = defineFleetCommand({
  name: 'backup restore',
  summary:
    'Puts a backup into an empty store, of either engine, while labd does not run. Agents come back without enrolling, ' +
    'and what was revoked stays revoked; the audit log goes on with a new chain. Needs no labd.',
  usage: 'labctl backup restore FILE --data DIR [--database-url URL] --passphrase-file FILE [--key-file FILE]',
  examples: [
    'labctl backup restore lab.labbak --data /var/lib/labmesh/labd --passphrase-file pass.txt',
    'DATABASE_URL_FILE=url.txt labctl backup restore lab.labbak --data /var/lib/labmesh/labd --passphrase-file pass.txt',
  ],
  options,
  positionalsMax: 1,
  async run(call) {
    const { values, positionals, change, note, result } = call;
    const [path] = positionals;
    const { data } = values;
    if (path === undefined || data === undefined) {
      throw new CommandError(path === undefined ? 'the file is missing' : '--data DIR is missing', {
        hint: 'labctl backup restore FILE --data DIR --passphrase-file FILE',
        exitCode: exitCodes.usage,
      });
    }
    const restored = await change(`restore ${path} into the store of ${data}`, () => restore(call, path, data));
    if (restored === undefined) return;
    const { manifest, counts, chain, keysAdded } = restored;
    note('start labd on this data folder; revocations made after the backup have to be made again');
    const fields = renderFields([
      ['Made', new Date(manifest.createdAt).toISOString()],
      ['Restored', countsText(counts.tables)],
      ['Recordings', counts.recordings],
      ['Keys added', keysAdded],
      ['Audit chain', chain],
    ]);
    await result.object({ manifest, counts, chain, keysAdded }, fields);
  },
});
