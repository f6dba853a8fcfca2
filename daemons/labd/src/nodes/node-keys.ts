/** The keys that a node registers, read (tunnel K3). Whose they may be is key-rules.ts. */
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import { rosenpassPublicKeyBytes, wireguardKeyField } from '@labmesh/wire/tunnel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { fingerprintOf } from './public-key-files.ts';

export type NodeKeys = {
  /** Base64. */
  wireguard: string;
  /** `sha256:` and 64 hex digits; null: a node without Rosenpass. */
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
 * Reads both keys. `whole` is the Rosenpass key itself; undefined when only its digest was given, or there is none.
 * @throws FleetError VALIDATION_FAILED, ROSENPASS_KEY_INVALID.
 */
export function readNodeKeys(request: KeyFields): NodeKeys & { whole: Uint8Array | undefined } {
  const wireguard = readWireguardKey(request.wireguard_public_key);
  const { rosenpass_public_key: text, rosenpass_public_key_sha256: digest } = request;
  const told = digest === undefined ? null : `sha256:${digest.replace(/^sha256:/, '')}`;
  if (text === '') return { wireguard, rosenpass: told, whole: undefined };
  const whole = readRosenpassKey(text);
  const rosenpass = fingerprintOf(whole);
  if (told === null || told === rosenpass) return { wireguard, rosenpass, whole };
  throw invalid(`the Rosenpass public key has another digest than rosenpass_public_key_sha256 says: ${rosenpass}`);
}
