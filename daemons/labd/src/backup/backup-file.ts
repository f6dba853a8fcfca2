/**
 * The outside of a backup (BK-1):
 *
 *     "labmbak1"   u32 length of the header   header   sealed chunks
 *
 * The header is JSON {version, createdAt, salt}; the key is scrypt (N=2^17, r=8, p=1) of the passphrase with that salt.
 * Each chunk holds one zstd frame of at most 64,000 bytes, so that all of them together are a plain tar.zst. The chunks
 * are bound to the header: no byte of the file can change, and none be missing, without being found.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { z } from 'zod';
import { ChunkError, ChunkOpener, ChunkSealer } from '../recordings/sealed-chunks.ts';
import { newSalt, passphraseKey } from '@labmesh/pki/seal/kek';

const magic = new TextEncoder().encode('labmbak1');
const headerBytesMax = 4096;
/** Plain bytes of a frame: with zstd's worst case still under 64 KiB. */
const frameBytesMax = 64_000;
const readBytes = 256 * 1024;
const zstdLevel = 3;
export const passphraseCharsMin = 12;

const headerSchema = z.strictObject({
  version: z.literal(1),
  /** Unix ms. */
  createdAt: z.int().min(0),
  /** 16 bytes, hex. */
  salt: z.string().regex(/^[0-9a-f]{32}$/),
});

const refuse = (message: string, more: { hint?: string; cause?: unknown } = {}) =>
  new FleetError('VALIDATION_FAILED', { message, ...more });

const contextOf = (header: string) => `labmesh-backup-v1\n${header}`;

/** Bytes in pieces of exactly `size`, the last one shorter, perhaps empty. */
async function* inPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + size - length);
      waiting.push(part);
      length += part.length;
      at += part.length;
      if (length < size) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      length = 0;
    }
  }
  yield Buffer.concat(waiting);
}

/** The file around `plain`, in pieces of about 64 KiB. @throws FleetError VALIDATION_FAILED for a short passphrase. */
export async function* sealBackup(
  plain: AsyncIterable<Uint8Array>,
  passphrase: string,
  createdAt: number,
): AsyncGenerator<Uint8Array> {
  if (passphrase.length < passphraseCharsMin) {
    throw new FleetError('VALIDATION_FAILED', {
      field: 'passphrase',
      message: `the passphrase of a backup has ${passphraseCharsMin} characters or more`,
    });
  }
  const salt = newSalt();
  const header = JSON.stringify({ version: 1, createdAt, salt: Buffer.from(salt).toString('hex') });
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  const sealer = new ChunkSealer(await passphraseKey(passphrase, salt), contextOf(header));
  yield Buffer.concat([magic, length, Buffer.from(header)]);
  for await (const piece of inPieces(plain, frameBytesMax)) {
    const frame = Bun.zstdCompressSync(piece, { level: zstdLevel });
    yield sealer.seal(frame, piece.length < frameBytesMax);
  }
}

async function readHeader(file: FileHandle): Promise<{ text: string; bytes: number }> {
  const start = Buffer.alloc(magic.length + 4);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  const length = bytesRead === start.length ? start.readUInt32BE(magic.length) : 0;
  if (!start.subarray(0, magic.length).equals(magic) || length === 0 || length > headerBytesMax)
    throw refuse('this file is no backup of labmesh');
  const text = Buffer.alloc(length);
  const read = await file.read(text, 0, length, start.length);
  if (read.bytesRead < length) throw refuse('the backup is cut off');
  return { text: text.toString('latin1'), bytes: start.length + length };
}

function parseHeader(text: string): z.infer<typeof headerSchema> {
  try {
    return headerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw refuse('this backup was made by a newer release, or its head is damaged', { cause });
  }
}

async function* piecesOf(path: string, from: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    for (let at = from; ;) {
      const { buffer, bytesRead } = await file.read(new Uint8Array(readBytes), 0, readBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function explain(error: ChunkError): FleetError {
  if (error.kind === 'cut') return refuse('the backup is cut off: its end is missing', { cause: error });
  // The first chunk tells a wrong key from damage by nothing.
  if (error.chunk === 0) return refuse('the passphrase is wrong, or the backup is damaged', { cause: error });
  return refuse(`the backup is damaged (chunk ${error.chunk})`, { cause: error });
}

export type OpenedBackup = {
  /** Unix ms. */
  createdAt: number;
  /** The tar, from its start; as often as one likes. @throws FleetError VALIDATION_FAILED for a file that was changed. */
  content(): AsyncGenerator<Uint8Array>;
};

async function* contentOf(path: string, from: number, opener: ChunkOpener): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of piecesOf(path, from)) {
      for (const frame of opener.push(piece)) yield zstdDecompressSync(frame, { maxOutputLength: frameBytesMax });
    }
    opener.end();
  } catch (error) {
    throw error instanceof ChunkError ? explain(error) : error;
  }
}

/**
 * Derives the key (half a second, 128 MiB) and reads nothing else.
 * @throws FleetError VALIDATION_FAILED when it is no backup; what the file system says.
 */
export async function openBackup(path: string, passphrase: string): Promise<OpenedBackup> {
  const file = await open(path, 'r');
  try {
    const { text, bytes } = await readHeader(file);
    const header = parseHeader(text);
    const key = await passphraseKey(passphrase, Buffer.from(header.salt, 'hex'));
    return {
      createdAt: header.createdAt,
      content: () => contentOf(path, bytes, new ChunkOpener(key, contextOf(text))),
    };
  } finally {
    await file.close();
  }
}
