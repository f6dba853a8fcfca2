/**
 * The file of a release, from labd and over its verified mTLS alone (AG-8). It goes on where an earlier try was cut; what
 * came is data, in a file that only we may read, until its hash was compared.
 */
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { open, rm, stat } from 'node:fs/promises';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { releaseBytesMax } from '@labmesh/wire/fleet/releases';
import { asError, type ClientKey, labdTls, type TrustedLabd } from '@labmesh/link/calls/labd-calls';

export type FetchOptions = {
  labd: TrustedLabd;
  client: ClientKey;
  version: string;
  arch: string;
  /** Of the file that is wanted, hex. */
  sha256: string;
  /** Where it is gathered. */
  part: string;
  signal: AbortSignal;
  /** Silence after which the connection is given up. */
  idleMs?: number;
};

const idleMsDefault = 30_000;
const errorBytesMax = 64 * 1024;
const pieceBytes = 1024 * 1024;

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Asks for the file from a byte on; resolves with the head of the answer. */
function begin(options: FetchOptions, from: number, signal: AbortSignal): Promise<IncomingMessage> {
  const { labd, client, version, arch, sha256 } = options;
  const url = new URL(`/api/agent/artifacts/${version}/${arch}`, labd.url);
  const headers = from === 0 ? {} : { range: `bytes=${from}-`, 'if-range': `"${sha256}"` };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { ...labdTls(labd.bundlePem, client), agent: false, signal, headers }, resolve);
    request.on('error', reject);
    request.end();
  });
}

async function refusalOf(response: IncomingMessage): Promise<FleetError> {
  let text = '';
  for await (const piece of response) {
    text += (piece as Buffer).toString('utf8');
    if (text.length > errorBytesMax) break;
  }
  return asError(response.statusCode ?? 0, text);
}

/** Where the answer's bytes belong, and how many there are in all. @throws FleetError for anything but the file. */
async function placeOf(response: IncomingMessage, options: FetchOptions, from: number) {
  const { statusCode, headers } = response;
  if (statusCode === 416 && headers['content-range'] === `bytes */${from}`) return { start: from, total: from };
  if (statusCode !== 200 && statusCode !== 206) {
    // A gathered file that is larger than the release is none of it.
    if (statusCode === 416) await rm(options.part, { force: true });
    throw await refusalOf(response);
  }
  const [, first] = /^bytes (\d+)-\d+\/\d+$/.exec(headers['content-range'] ?? '') ?? [];
  const start = statusCode === 200 ? 0 : Number(first);
  const total = start + Number(headers['content-length']);
  const isWanted = headers.etag === `"${options.sha256}"` && (start === 0 || start === from);
  if (!isWanted || !Number.isSafeInteger(total) || total > releaseBytesMax) {
    response.destroy();
    throw new FleetError('CONFLICT', { message: 'labd offers another file than the one it named' });
  }
  return { start, total };
}

/**
 * Fetches what is missing. Resolves when all bytes are there; their hash is still to be compared.
 * @throws FleetError with labd's code, system errors when the connection is cut: what came by then stays.
 */
export async function fetchRelease(options: FetchOptions): Promise<void> {
  const { part, signal, idleMs = idleMsDefault } = options;
  const idle = new AbortController();
  const stop = () => idle.abort(new Error('labd sends nothing more'));
  let timer = setTimeout(stop, idleMs);
  try {
    const from = await sizeOf(part);
    const either = AbortSignal.any([signal, idle.signal]);
    const response = await begin(options, from, either);
    either.addEventListener('abort', () => response.destroy(either.reason as Error), { once: true });
    const { start, total } = await placeOf(response, options, from);
    await using file = await open(part, start === 0 ? 'w' : 'r+', 0o600);
    let at = start;
    for await (const piece of response as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      timer = setTimeout(stop, idleMs);
      if (at + piece.length > total) throw new FleetError('CONFLICT', { message: 'labd sends more than it said' });
      await file.write(piece, 0, piece.length, at);
      at += piece.length;
    }
    if (at !== total) throw new Error(`the file was cut at ${at} of ${total} bytes`);
  } finally {
    clearTimeout(timer);
  }
}

/** SHA-256 of a file, hex; read in pieces, as it may be larger than our memory may be. */
export async function fileSha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher('sha256');
  await using file = await open(path);
  const piece = Buffer.alloc(pieceBytes);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, pieceBytes);
    if (bytesRead === 0) return hasher.digest('hex');
    hasher.update(piece.subarray(0, bytesRead));
  }
}
