import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { pae } from '@labmesh/attest/dsse/envelope';
import { findEntry, proveEntry } from '@labmesh/attest/log/check-log';
import { parseEntry } from '@labmesh/attest/merkle/log-entry';
import { sha256Hex } from '@labmesh/attest/sha256';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { readNamed, refusedError } from '../../verify/attest-files.ts';
import { logOptions } from '../../verify/cert-options.ts';
import { openTrustedLog } from '../../verify/open-log.ts';

/** Whether an entry is of the certificate with this hash. An entry that cannot be read is of none. */
function isOf(entry: Uint8Array, sha256: string): boolean {
  try {
    const { kind, sha256: own } = parseEntry(entry);
    return kind === 'certificate' && own === sha256;
  } catch {
    return false;
  }
}

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
      const { envelope } = parseBundle(file);
      const sha256 = sha256Hex(pae(envelope.payloadType, envelope.payload));
      const { log } = await openTrustedLog(values, world.env);
      const index = await findEntry(log, (entry) => isOf(entry, sha256));
      if (index === undefined) throw new CommandError('the log does not hold this certificate');
      const proof = await proveEntry(log, index);
      world.stdout(values.json ? `${JSON.stringify({ index, size: log.head.size, proof })}\n` : proof);
    } catch (error) {
      throw refusedError(error, 'the log');
    }
  },
});
