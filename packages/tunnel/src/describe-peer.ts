import type { KnownKey } from '@labmesh/rosenpass/effects';
import { TunnelKeyError } from './keys/tunnel-key-error.ts';
import type { StepPool } from './steps/step-pool.ts';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

/**
 * A peer's Rosenpass key as the exchange knows it; undefined for a classical peer.
 * @throws TunnelKeyError ROSENPASS_KEY_INVALID when it is not in the keys' folder
 */
export async function describePeer(
  pool: Pick<StepPool, 'run'>,
  { rosenpass, name }: Pick<TunnelPeerSettings, 'rosenpass' | 'name'>,
): Promise<KnownKey | undefined> {
  if (rosenpass === undefined) return undefined;
  const { fingerprint } = rosenpass;
  const described = await pool.run({ step: 'describe', peerKey: fingerprint });
  if (described.step === 'describe') return { fingerprint, prefixes: described.prefixes };
  throw new TunnelKeyError('ROSENPASS_KEY_INVALID', `the Rosenpass key of ${name} (${fingerprint}) is not here`);
}
