import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { signedHash } from '@labmesh/attest/dsse/envelope';
import { findCertificate, proveEntry } from '@labmesh/attest/log/find-certificate';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { readNamed, refusedError } from '../../verify/attest-files.ts';
import { logOptions } from '../../verify/cert-options.ts';
import { openTrustedLog } from '../../verify/open-log.ts';

/** CT4. For a certificate that was given out before it was logged, and for one whose checkpoint is old. */
export const certLogProve = defineCommand({
  name: 'cert log prove',
  summary:
    'Prints the proof that the log holds a certificate, against its newest checkpoint, as c2sp.org/tlog-proof@v1. Exit ' +
    'code 1 when the log does not hold it.',
  usage: 'labctl cert log prove FILE [--log DIR] [--trust FILE] [--data DIR] [--json]',
  examples: ['labctl cert log prove answer.labcert > answer.tlog-proof'],
  options: { ...logOptions, ...dataOption, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const file = await readNamed(positionals[0], 'the certificate');
    try {
      // Not verified here: the log is asked for what this file says, and the proof is worth what its reader checks.
      const { envelope } = parseBundle(file);
      const { log } = await openTrustedLog(values, world.env);
      const index = await findCertificate(log, signedHash(envelope));
      if (index === undefined) throw new CommandError('the log does not hold this certificate');
      const proof = await proveEntry(log, index);
      world.stdout(values.json ? `${JSON.stringify({ index, size: log.head.size, proof })}\n` : proof);
    } catch (error) {
      throw refusedError(error, 'the log');
    }
  },
});
