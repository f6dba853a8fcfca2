/** The keys that a node registers, checked (tunnel K3). Nothing here says whose they are. */
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import { rosenpassPublicKeyBytes, wireguardKeyField } from '@labmesh/wire/tunnel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { fingerprintOf, type PublicKeyFiles } from './public-key-files.ts';

export type NodeKeys = {
  /** Base64. */
  wireguard: string;
  /** `sha256:` and 64 hex digits; null: a node without Rosenpass. Its key is among the files. */
  rosenpass: string | null;
};

const base64Chars = (rosenpassPublicKeyBytes / 3) * 4;
const zeroKey = `${'A'.repeat(43)}=`;

type KeyFields = Pick<
  NodeRegisterRequest,
  'wireguard_public_key' | 'rosenpass_public_key' | 'rosenpass_public_key_sha256'
>;

const invalid = (message: string) =>
  new FleetError('ROSENPASS_KEY_INVALID', { field: 'rosenpass_public_key', message });

function readWireguardKey(text: string): string {
  const key = wireguardKeyField.safeParse(text).data;
  // A key of nobody: every exchange with it gives the same secret.
  if (key !== undefined && key !== zeroKey) return key;
  const message = 'a WireGuard public key is 32 bytes in base64, 44 characters';
  throw new FleetError('VALIDATION_FAILED', { field: 'wireguard_public_key', message });
}

function readRosenpassKey(text: string): Uint8Array {
  if (text.length !== base64Chars)
    throw invalid(`a Rosenpass public key has ${base64Chars} characters of base64, found ${text.length}`);
  // 524,160 is divisible by three: no padding, and each text is one key.
  if (!/^[A-Za-z0-9+/]*$/.test(text)) throw invalid('the Rosenpass public key is not base64');
  return Buffer.from(text, 'base64');
}

/**
 * Reads both keys, and keeps the Rosenpass key's file. Undefined: only a digest was given and its key is not here
 * (`need_rosenpass_key`).
 * @throws FleetError VALIDATION_FAILED, ROSENPASS_KEY_INVALID.
 */
export async function readNodeKeys(request: KeyFields, files: PublicKeyFiles): Promise<NodeKeys | undefined> {
  const wireguard = readWireguardKey(request.wireguard_public_key);
  const { rosenpass_public_key: text, rosenpass_public_key_sha256: digest } = request;
  const told = digest === undefined ? undefined : `sha256:${digest.replace(/^sha256:/, '')}`;
  if (text === '') {
    if (told === undefined) return { wireguard, rosenpass: null };
    return (await files.keep(told)) ? { wireguard, rosenpass: told } : undefined;
  }
  const key = readRosenpassKey(text);
  const found = fingerprintOf(key);
  if (told !== undefined && told !== found)
    throw invalid(`the Rosenpass public key has another digest than rosenpass_public_key_sha256 says: ${found}`);
  return { wireguard, rosenpass: await files.write(key) };
}
