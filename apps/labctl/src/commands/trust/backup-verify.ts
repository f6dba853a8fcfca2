import { CommandError } from '../../command-error.ts';
import { countsText, explained, keyOptions, keyPlace, openFile, restorer, warningsTo } from '../../backup/offline.ts';
import { readPassphrase } from '../../backup/read-passphrase.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { renderFields } from '../../output/result.ts';

/** BK-2, offline: a backup that was never restored is a hope. */
export const backupVerify = defineFleetCommand({
  name: 'backup verify',
  summary:
    'Proves that a backup can be restored: puts it into a store of its own, verifies the audit chains there, and leaves ' +
    'nothing behind. Exit code 1 when a chain is broken. Needs no labd.',
  usage: 'labctl backup verify FILE --passphrase-file FILE [--data DIR | --key-file FILE]',
  examples: ['labctl backup verify lab.labbak --passphrase-file pass.txt --data /var/lib/labmesh/labd'],
  options: {
    passphraseFile: {
      type: 'string',
      flag: 'passphrase-file',
      placeholder: 'FILE',
      help: 'passphrase, or - for stdin',
    },
    data: {
      type: 'string',
      flag: 'data',
      default: '/var/lib/labmesh/labd',
      placeholder: 'DIR',
      help: "labd's data folder, for its key file",
    },
    ...keyOptions,
  },
  positionalsMax: 1,
  async run({ values, positionals, note, result, world }) {
    const [path] = positionals;
    if (path === undefined) throw new CommandError('the file is missing', { exitCode: exitCodes.usage });
    const passphrase = await readPassphrase(world, values.passphraseFile, false);
    // Half of labd: loaded for this command alone.
    const { verifyBackup } = await import('@labmesh/labd/backup/verify-backup');
    const { AuditKeys } = await import('@labmesh/labd/audit/audit-keys');
    const { verifyAudit } = await import('@labmesh/labd/audit/verify/verify-chain');
    const { clock } = world;
    const found = await explained(async () =>
      verifyBackup({
        backup: await openFile(path, passphrase),
        principal: restorer,
        keys: keyPlace(values.data, values),
        verifyAudit: async (store, secrets) =>
          verifyAudit({ store, keys: await AuditKeys.open(store, secrets, clock.wall()) }),
        clock,
        log: warningsTo(note),
      }),
    );
    const { manifest, counts, audit } = found;
    const bad = audit.chains.filter(({ fault }) => fault !== null);
    for (const { chain, fault } of bad) {
      world.stderr(`error: chain ${chain}: ${fault?.kind ?? ''} at seq ${fault?.seq ?? 0}\n`);
    }
    const chains = audit.chains.length === 1 ? '1 chain' : `${audit.chains.length} chains`;
    const fields = renderFields([
      ['Made', new Date(manifest.createdAt).toISOString()],
      ['By labd', manifest.release],
      ['Store', manifest.engine],
      ['Holds', countsText(counts.tables)],
      ['Recordings', manifest.recordings ? `${counts.recordings}, ${counts.recordingsMissing} missing` : 'not in it'],
      ['Keys', `${manifest.keyIds.join(', ')}${manifest.withKey ? ' (in it)' : ' (not in it)'}`],
      ['Audit', audit.ok ? `${chains}, as they were written` : `${bad.length} of ${chains} broken`],
    ]);
    await result.object({ ok: audit.ok, manifest, counts, audit }, fields);
    return audit.ok ? exitCodes.ok : exitCodes.failed;
  },
});
