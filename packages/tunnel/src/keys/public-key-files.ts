/** Rosenpass public keys of others as `<folder>/<sha256>.pk`: raw, 524,160 bytes, named by what they hold (K7). */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { TunnelKeyError } from './tunnel-key-error.ts';

const fingerprintPattern = /^sha256:([0-9a-f]{64})$/;

function pathOf(folder: string, fingerprint: string): string {
  const [, hex] = fingerprintPattern.exec(fingerprint) ?? [];
  if (hex === undefined) throw new TunnelKeyError('ROSENPASS_KEY_INVALID', 'expected sha256: and 64 hex digits');
  return join(folder, `${hex}.pk`);
}

/** @throws TunnelKeyError ROSENPASS_KEY_INVALID for another length */
export function checkPublicKey(bytes: Uint8Array): void {
  if (bytes.length === rosenpassPublicKeyBytes) return;
  throw new TunnelKeyError(
    'ROSENPASS_KEY_INVALID',
    `a Rosenpass public key has ${rosenpassPublicKeyBytes} bytes; found ${bytes.length}`,
  );
}

/** Keeps a public key; gives its fingerprint. @throws TunnelKeyError ROSENPASS_KEY_INVALID */
export function keepPublicKey(folder: string, bytes: Uint8Array): string {
  checkPublicKey(bytes);
  const fingerprint = fingerprintOf(bytes);
  if (readPublicKey(folder, fingerprint) === undefined) writeWholeFile(pathOf(folder, fingerprint), bytes, 0o644);
  return fingerprint;
}

/** The key of a fingerprint; undefined when it is not there, or the file holds something else. */
export function readPublicKey(folder: string, fingerprint: string): Uint8Array | undefined {
  try {
    const bytes = new Uint8Array(readFileSync(pathOf(folder, fingerprint)));
    return bytes.length === rosenpassPublicKeyBytes && fingerprintOf(bytes) === fingerprint ? bytes : undefined;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Nothing happens when it is not there. */
export function dropPublicKey(folder: string, fingerprint: string): void {
  rmSync(pathOf(folder, fingerprint), { force: true });
}
