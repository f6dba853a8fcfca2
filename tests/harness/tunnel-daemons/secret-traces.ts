/** Looks for secrets in what was said and written, in the forms in which bytes become text. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of a long secret some pieces stand for the whole. */
const pieceBytes = 32;
const piecesMax = 8;

/** Base64 of bytes that stand at any place of a longer text: without the characters that its neighbours change. */
function base64At(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes, Buffer.alloc(3)]).toString('base64');
  return text.slice(4, 4 + Math.floor(((bytes.length - 3) * 4) / 3));
}

function formsOf(piece: Buffer): string[] {
  const base64 = [0, 1, 2].map((offset) => base64At(piece, offset));
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  return [piece.toString('hex'), piece.toString('hex').toUpperCase(), piece.toString('latin1'), ...base64, ...url];
}

function piecesOf(secret: Uint8Array): Buffer[] {
  const bytes = Buffer.from(secret);
  const count = Math.max(1, Math.min(piecesMax, Math.floor(bytes.length / pieceBytes)));
  const step = Math.floor(bytes.length / count);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * step, at * step + pieceBytes));
}

/** `what in where` for each secret of at least 16 bytes that is found in a text (bytes as latin1). */
export function secretTraces(secrets: Record<string, Uint8Array>, texts: Record<string, string>): string[] {
  return Object.entries(secrets).flatMap(([what, secret]) => {
    const forms = piecesOf(secret).flatMap(formsOf);
    return Object.entries(texts)
      .filter(([, text]) => forms.some((form) => text.includes(form)))
      .map(([where]) => `${what} in ${where}`);
  });
}

/** Files below a folder by their paths, as latin1; those with these names are left out. */
export function filesBelow(folder: string, leftOut: readonly string[]): Record<string, string> {
  if (!existsSync(folder)) return {};
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const kept = found.filter((one) => one.isFile() && !leftOut.includes(one.name));
  return Object.fromEntries(
    kept.map((one) => {
      const path = join(one.parentPath, one.name);
      return [path, readFileSync(path, 'latin1')];
    }),
  );
}
