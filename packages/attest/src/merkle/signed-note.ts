/** Signed notes (C2SP signed-note) with Ed25519 keys: text, an empty line, and a line for each signature. */
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { concatBytes, equalBytes, textOf, utf8 } from '../bytes/bytes.ts';
import { type PublicKey, rawEd25519, signatureBytes, verifySignature } from '../keys/public-key.ts';
import type { Signer } from '../keys/signing-key.ts';
import { sha256 } from '../sha256.ts';

/** Largest note, bytes, and signatures in it. Witnesses may sign too; C2SP asks for 16 at least. */
export const noteBytesMax = 16_384;
const noteSignaturesMax = 64;

const ed25519Type = 1;
const keyIdBytes = 4;

const refuse = (what: string) => new AttestRefused('NOTE_BAD', what);

/** A name that a signature line can bear. @throws AttestRefused NOTE_BAD */
export function checkNoteName(name: string): string {
  if (!/^[^\s+\p{Cc}]{1,200}$/u.test(name)) throw refuse('a name with spaces, plus signs or nothing in it');
  return name;
}

/** Four bytes that tell name, algorithm and key; an order to look in, no proof. */
export function noteKeyId(name: string, key: PublicKey): Uint8Array {
  const bytes = concatBytes(utf8(`${name}\n`), Uint8Array.of(ed25519Type), rawEd25519(key));
  return sha256(bytes).slice(0, keyIdBytes);
}

/** `text` ends in a newline. */
export async function signNote(text: string, name: string, signer: Signer): Promise<string> {
  const signature = await signer.sign(utf8(text));
  const line = toBase64(concatBytes(noteKeyId(checkNoteName(name), signer.publicKey), signature));
  return `${text}\n— ${name} ${line}\n`;
}

type NoteSignature = { name: string; keyId: Uint8Array; signature: Uint8Array<ArrayBuffer> };

function readSignature(line: string): NoteSignature {
  const [dash, name, base64, ...more] = line.split(' ');
  if (dash !== '—' || name === undefined || base64 === undefined || more.length > 0) throw refuse('no signature line');
  const bytes = fromBase64(base64);
  if (bytes.length <= keyIdBytes) throw refuse('a signature is too short');
  return { name: checkNoteName(name), keyId: bytes.subarray(0, keyIdBytes), signature: bytes.slice(keyIdBytes) };
}

/**
 * The text of a note that `key` signed under `name`. Signatures of others are passed over, as C2SP asks.
 * @throws AttestRefused NOTE_BAD, BASE64_BAD; SIGNATURE_BAD when the key did not sign, or a line that names it is false.
 */
export async function openNote(note: Uint8Array, name: string, key: PublicKey): Promise<string> {
  if (note.length > noteBytesMax) throw new AttestRefused('TOO_LARGE', `a note has at most ${noteBytesMax} bytes`);
  const whole = textOf(note, 'NOTE_BAD');
  const divide = whole.lastIndexOf('\n\n');
  if (divide < 0 || !whole.endsWith('\n')) throw refuse('no text and signatures');
  if (/[^\P{Cc}\n]/u.test(whole)) throw refuse('a control character');
  const text = whole.slice(0, divide + 1);
  const lines = whole.slice(divide + 2, -1).split('\n');
  if (lines.length > noteSignaturesMax) throw refuse(`more than ${noteSignaturesMax} signatures`);
  const own = noteKeyId(name, key);
  const named = lines.map(readSignature).filter((one) => one.name === name && equalBytes(one.keyId, own));
  for (const { signature } of named) {
    const holds = signature.length === signatureBytes && (await verifySignature(key, utf8(text), signature));
    if (!holds) throw new AttestRefused('SIGNATURE_BAD', `the signature of ${name} does not hold`);
  }
  if (named.length === 0) throw new AttestRefused('SIGNATURE_BAD', `${name} did not sign with the key that is trusted`);
  return text;
}
