/**
 * Proofs that the log holds an entry (c2sp.org/tlog-proof@v1): index, path and checkpoint in one text. The `extra` line
 * bears the entry itself, which the leaf hash is computed from; being hashed, it needs no trust.
 */
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { equalBytes, utf8 } from '../bytes/bytes.ts';
import type { TrustedLog } from '../keys/trust.ts';
import { decimalOf, openCheckpoint } from './checkpoint.ts';
import { entryBytesMax } from './entry-bundle.ts';
import { type LogEntry, parseEntry } from './log-entry.ts';
import { type Hash, hashBytes, leafHash, proofHashesMax, rootByInclusion, type TreeHead } from './merkle-tree.ts';
import { noteBytesMax } from './signed-note.ts';

const header = 'c2sp.org/tlog-proof@v1';
const proofCharsMax = noteBytesMax + 4 * entryBytesMax;

export type TlogProof = {
  entry: Uint8Array;
  index: number;
  /** The leaf's sibling first. */
  path: readonly Hash[];
  /** The checkpoint as it was signed. */
  checkpoint: string;
};

export function proofText({ entry, index, path, checkpoint }: TlogProof): string {
  const lines = [header, `extra ${toBase64(entry)}`, `index ${index}`, ...path.map(toBase64)];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

const refuse = (what: string) => new AttestRefused('LOG_PROOF_BAD', what);

const after = (line: string | undefined, word: string): string => {
  if (line?.startsWith(`${word} `) !== true) throw refuse(`no line with ${word}`);
  return line.slice(word.length + 1);
};

/** @throws AttestRefused LOG_PROOF_BAD, BASE64_BAD */
export function parseProof(text: string): TlogProof {
  if (text.length > proofCharsMax)
    throw new AttestRefused('TOO_LARGE', `a proof has at most ${proofCharsMax} characters`);
  const divide = text.indexOf('\n\n');
  if (divide < 0) throw refuse('no checkpoint');
  const [first, extra, place, ...hashes] = text.slice(0, divide).split('\n');
  if (first !== header) throw refuse(`not a ${header}`);
  const entry = fromBase64(after(extra, 'extra'));
  const index = decimalOf(after(place, 'index'));
  if (index === undefined) throw refuse('the index is no number');
  if (hashes.length > proofHashesMax) throw refuse('the path is too long');
  const path = hashes.map(fromBase64);
  if (path.some((hash) => hash.length !== hashBytes)) throw refuse('a hash of the path is no SHA-256');
  return { entry, index, path, checkpoint: text.slice(divide + 2) };
}

export type ProvenEntry = { entry: LogEntry; index: number; head: TreeHead };

/**
 * What a proof shows of a log that is trusted.
 * @throws AttestRefused also CHECKPOINT_BAD, NOTE_BAD, SIGNATURE_BAD, ENTRY_BAD
 */
export async function verifyProof(text: string, log: TrustedLog): Promise<ProvenEntry> {
  const { entry, index, path, checkpoint } = parseProof(text);
  const head = await openCheckpoint(utf8(checkpoint), log);
  const root = rootByInclusion(leafHash(entry), index, head.size, path);
  if (!equalBytes(root, head.root)) throw refuse('the path does not lead to the root of the checkpoint');
  return { entry: parseEntry(entry), index, head };
}
