/**
 * Suites at rest (verification V20): AES-256-GCM under the key of the arena's folder. Tenant and name are additional data,
 * so that a text moved to another row does not open.
 *
 *     base64( 01 | nonce 12 | ciphertext | tag 16 )
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { SuiteRefused } from './suite-refused.ts';

export type SuiteSealer = {
  seal: (tenant: string, name: string, plain: Uint8Array) => string;
  /** @throws SuiteRefused SUITE_UNREADABLE when it was changed, moved, or sealed under another key. */
  open: (tenant: string, name: string, sealed: string) => Uint8Array;
};

const cipherName = 'aes-256-gcm';
const version = 1;
const [keyBytes, nonceBytes, tagBytes] = [32, 12, 16];

const unreadable = (message: string) => new SuiteRefused('SUITE_UNREADABLE', message);
const additional = (tenant: string, name: string) => Buffer.from(JSON.stringify(['labmesh-suite-v1', tenant, name]));

export function sealerOf(key: Uint8Array): SuiteSealer {
  if (key.length !== keyBytes) throw new TypeError(`a key has ${keyBytes} bytes`);
  return {
    seal: (tenant, name, plain) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(cipherName, key, nonce).setAAD(additional(tenant, name));
      const sealed = [cipher.update(plain), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat([Buffer.from([version]), nonce, ...sealed]).toString('base64');
    },
    open: (tenant, name, text) => {
      const bytes = Buffer.from(text, 'base64');
      const least = 1 + nonceBytes + tagBytes;
      if (bytes.length < least || bytes[0] !== version) throw unreadable('is no sealed suite');
      const nonce = bytes.subarray(1, 1 + nonceBytes);
      const end = bytes.length - tagBytes;
      const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(additional(tenant, name)).setAuthTag(bytes.subarray(end));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes, end)), decipher.final()]);
      } catch {
        throw unreadable('does not open: changed, moved, or sealed under another key');
      }
    },
  };
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? 'unreadable';

/** Undefined when there is none yet. */
function readKey(path: string): Uint8Array | undefined {
  let key: Uint8Array;
  try {
    key = new Uint8Array(readFileSync(path));
    // A restore from a backup may have opened it to others.
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(`the key of suites cannot be read (${codeOf(error)})`);
  }
  if (key.length !== keyBytes) throw unreadable(`the key of suites has ${key.length} bytes instead of ${keyBytes}`);
  return key;
}

/** Whole under its name, or not at all; another process may have been first. */
function makeKey(path: string): void {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, randomBytes(keyBytes));
    fsyncSync(file);
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    closeSync(file);
    unlinkSync(draft);
  }
}

/**
 * The sealer of `<folder>/suites.key` (32 bytes, 0600), which is made at the first start: without it no suite opens again.
 * @throws SuiteRefused SUITE_UNREADABLE
 */
export function openSuiteSealer(folder: string): SuiteSealer {
  const path = join(folder, 'suites.key');
  let key = readKey(path);
  if (key === undefined) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      makeKey(path);
    } catch (error) {
      throw unreadable(`the key of suites cannot be kept (${codeOf(error)})`);
    }
    key = readKey(path);
  }
  if (key === undefined) throw unreadable('the key of suites is gone again');
  return sealerOf(key);
}
