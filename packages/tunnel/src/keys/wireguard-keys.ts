/**
 * WireGuard's static key pair in files: base64 of 32 bytes, the private one 0600 (K1). The pair that is to follow lies beside
 * it (K8). The private key is the pair: one rename makes it the own one, so a crash leaves the one before or this one.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { readSecretFile } from './read-secret-file.ts';
import { TunnelKeyError } from './tunnel-key-error.ts';

export type WireguardKeys = { privateKey: Uint8Array; publicKey: Uint8Array };
export type WireguardKeyPaths = { privateKeyPath: string; publicKeyPath: string };

const keyBytes = 32;
/** PKCS #8 of an X25519 key without its 32 bytes (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');

const rawPublic = (key: KeyObject) => new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'));

/** The public key of a private one. */
export function wireguardPublicKey(privateKey: Uint8Array): Uint8Array {
  const der = Buffer.concat([pkcs8Head, privateKey]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return rawPublic(createPublicKey(key));
}

export function generateWireguardKeys(): WireguardKeys {
  const { privateKey } = generateKeyPairSync('x25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const raw = new Uint8Array(der.subarray(der.length - keyBytes));
  // Clamped as `wg genkey` writes it, so that other programs show the same text.
  raw[0] = (raw[0] ?? 0) & 248;
  raw[31] = ((raw[31] ?? 0) & 127) | 64;
  der.fill(0);
  return { privateKey: raw, publicKey: wireguardPublicKey(raw) };
}

/** 32 bytes out of base64; undefined for anything else. */
export function parseWireguardKey(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text.trim(), 'base64');
  return bytes.length === keyBytes && bytes.toString('base64') === text.trim() ? new Uint8Array(bytes) : undefined;
}

/**
 * Reads the pair; makes it where there is none. The public file is written anew whenever it says something else.
 * @throws TunnelKeyError KEY_FILE_MODE, KEY_FILE_INVALID
 */
export function loadWireguardKeys({ privateKeyPath, publicKeyPath }: WireguardKeyPaths): WireguardKeys {
  const found = readSecretFile(privateKeyPath);
  if (found === undefined) {
    const made = generateWireguardKeys();
    writePrivateFile(privateKeyPath, `${Buffer.from(made.privateKey).toString('base64')}\n`);
    writePublic(publicKeyPath, made.publicKey);
    return made;
  }
  const privateKey = parseWireguardKey(Buffer.from(found).toString('latin1'));
  found.fill(0);
  if (privateKey === undefined) {
    throw new TunnelKeyError(
      'KEY_FILE_INVALID',
      `${privateKeyPath}: expected the base64 of 32 bytes; put the right file there, or remove it and a new key is made`,
    );
  }
  const publicKey = wireguardPublicKey(privateKey);
  writePublic(publicKeyPath, publicKey);
  return { privateKey, publicKey };
}

function writePublic(path: string, publicKey: Uint8Array): void {
  const text = `${Buffer.from(publicKey).toString('base64')}\n`;
  const found = readSecretFile(path, 'any mode');
  if (found === undefined || Buffer.from(found).toString('latin1') !== text) writeWholeFile(path, text, 0o644);
}

const nextPaths = ({ privateKeyPath, publicKeyPath }: WireguardKeyPaths): WireguardKeyPaths => ({
  privateKeyPath: `${privateKeyPath}.next`,
  publicKeyPath: `${publicKeyPath}.next`,
});

/** Undefined when there is none. @throws TunnelKeyError KEY_FILE_MODE, KEY_FILE_INVALID */
export function findNextWireguardKeys(paths: WireguardKeyPaths): WireguardKeys | undefined {
  const next = nextPaths(paths);
  if (existsSync(next.privateKeyPath)) return loadWireguardKeys(next);
  rmSync(next.publicKeyPath, { force: true });
  return undefined;
}

/** The one that is there, or another. @throws TunnelKeyError; what the file system says */
export const makeNextWireguardKeys = (paths: WireguardKeyPaths): WireguardKeys => loadWireguardKeys(nextPaths(paths));

/** The next pair takes the place of the own one, which is gone then, also after a loss of power. @throws what the file system says */
export function promoteNextWireguardKeys(paths: WireguardKeyPaths): void {
  const next = nextPaths(paths);
  renameSync(next.privateKeyPath, paths.privateKeyPath);
  syncFolder(dirname(paths.privateKeyPath));
  rmSync(next.publicKeyPath, { force: true });
  // Writes the public half anew.
  loadWireguardKeys(paths).privateKey.fill(0);
}

export function dropNextWireguardKeys(paths: WireguardKeyPaths): void {
  const next = nextPaths(paths);
  rmSync(next.privateKeyPath, { force: true });
  rmSync(next.publicKeyPath, { force: true });
}

/** The other end forgets the key before as soon as it sees this one: the rename must not come undone. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
