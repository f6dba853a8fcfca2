/** Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log, as a signed note. */
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import type { TrustedLog } from '../keys/trust.ts';
import type { Signer } from '../keys/signing-key.ts';
import { hashBytes, type TreeHead } from './merkle-tree.ts';
import { checkNoteName, openNote, signNote } from './signed-note.ts';

const refuse = (what: string) => new AttestRefused('CHECKPOINT_BAD', what);

/** The number a decimal without leading zeroes tells; undefined when it is none, or beyond 2^53. */
export function decimalOf(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The log's name in its signature line is its origin. */
export function signCheckpoint(origin: string, { size, root }: TreeHead, signer: Signer): Promise<string> {
  return signNote(`${checkNoteName(origin)}\n${size}\n${toBase64(root)}\n`, origin, signer);
}

/** Lines after the third are extensions: signed, and without a meaning here. */
function readHead(text: string, origin: string): TreeHead {
  const [first, second = '', third = '', ...extensions] = text.slice(0, -1).split('\n');
  if (first !== origin) throw refuse('a checkpoint of another log');
  if (extensions.includes('')) throw refuse('an empty line');
  const size = decimalOf(second);
  if (size === undefined) throw refuse('the size is no number');
  const root = fromBase64(third);
  if (root.length !== hashBytes) throw refuse('the root is no SHA-256');
  return { size, root };
}

/** @throws AttestRefused CHECKPOINT_BAD, NOTE_BAD, BASE64_BAD, SIGNATURE_BAD */
export async function openCheckpoint(note: Uint8Array, { origin, key }: TrustedLog): Promise<TreeHead> {
  return readHead(await openNote(note, origin, key), origin);
}
