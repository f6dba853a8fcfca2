/**
 * The release key: the public half (Ed25519) that this machine's own settings name, `ed25519:` and base64 of 32 bytes. It
 * is what an update is judged by; labd, which hands the file over, is not believed (AG-8).
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { OptionsError } from '@labmesh/kit/options';
import { type AgentDesired, releaseText } from '@labmesh/wire/fleet/releases';

/** The DER of an Ed25519 public key up to its 32 bytes (RFC 8410 section 4). */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex');

/** @throws OptionsError (exit 3) for a text that is no key. */
export function parseReleaseKey(text: string): KeyObject {
  const [, base64] = /^ed25519:([A-Za-z0-9+/_-]{43}=?)$/.exec(text) ?? [];
  const raw = Buffer.from(base64 ?? '', 'base64');
  if (raw.length !== 32)
    throw new OptionsError(
      { source: 'agent.release_key', key: 'agent.release_key', exitCode: 3 },
      'expected ed25519: and the base64 of 32 bytes, as whoever makes the releases tells it',
    );
  return createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: 'der', type: 'spki' });
}

/** Did the owner of the key release this content as this version for this machine? */
export function isReleased(
  key: KeyObject,
  desired: Pick<AgentDesired, 'version' | 'sha256' | 'signature'>,
  arch: string,
) {
  const text = Buffer.from(releaseText(desired.version, arch, desired.sha256));
  return verify(null, text, key, Buffer.from(desired.signature, 'base64'));
}
