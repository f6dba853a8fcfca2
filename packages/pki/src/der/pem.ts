/** PEM (RFC 7468), strict: known labels, no headers, nothing but base64 between the lines. */

/** Largest PEM text read: a bundle of a few certificates and a key. */
export const pemBytesMax = 256 * 1024;
/** Blocks in one text. */
export const pemBlocksMax = 64;

export type PemBlock = { label: string; der: Uint8Array };

const blockPattern = /-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,40})-----\r?\n([A-Za-z0-9+/=\r\n]{1,262144}?)-----END \1-----/g;

/** `-----BEGIN label-----` … with lines of 64 characters and a line end. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Blocks in order; text between them is passed over, as OpenSSL does. Empty when there are none or too many. */
export function readPem(text: string): PemBlock[] {
  if (text.length > pemBytesMax) return [];
  const blocks: PemBlock[] = [];
  for (const [, label = '', body = ''] of text.matchAll(blockPattern)) {
    const base64 = body.replace(/[\r\n]/g, '');
    if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return [];
    blocks.push({ label, der: new Uint8Array(Buffer.from(base64, 'base64')) });
    if (blocks.length > pemBlocksMax) return [];
  }
  return blocks;
}

/** DER of each certificate in a PEM text, in order. */
export const certificatesIn = (pem: string): Uint8Array[] =>
  readPem(pem).flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [der] : []));
