/** Certificates in a log, looked for by the hash of what was signed. */
import { AttestRefused } from '../attest-refused.ts';
import { parseEntry } from '../merkle/log-entry.ts';
import { proofText } from '../merkle/tlog-proof.ts';
import { type OpenedLog, readBundles } from './check-log.ts';
import { TileTree } from './tile-tree.ts';

/** Whether an entry is of the certificate with this hash. An entry that cannot be read is of none. */
function isOf(entry: Uint8Array, sha256: string): boolean {
  try {
    const { kind, sha256: own } = parseEntry(entry);
    return kind === 'certificate' && own === sha256;
  } catch (error) {
    if (error instanceof AttestRefused) return false;
    throw error;
  }
}

/** @param sha256 of the PAE, hex. Reads the log from its beginning; undefined when it does not hold the certificate. */
export async function findCertificate(log: OpenedLog, sha256: string): Promise<number | undefined> {
  let first = 0;
  for await (const entries of readBundles(log)) {
    const offset = entries.findIndex((entry) => isOf(entry, sha256));
    if (offset >= 0) return first + offset;
    first += entries.length;
  }
  return undefined;
}

/** The proof, as text, that the newest checkpoint holds the entry at `index`. @throws AttestRefused LOG_PROOF_BAD */
export async function proveEntry({ disk, head, checkpoint }: OpenedLog, index: number): Promise<string> {
  const tree = new TileTree(disk, head.size);
  const path = await tree.inclusionPath(index);
  return proofText({ entry: await tree.entry(index), index, path, checkpoint });
}
