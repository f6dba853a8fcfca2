import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Triplet } from '@labmesh/wire/verification/preference';

/**
 * Hex SHA-256 over tenant, input, chosen and rejected: the same pair made again has the same id, that of another tenant
 * never has. What people said has an id of its own: a pair that a version froze before they did stays what it was.
 * @throws AttestRefused JSON_BAD for what canonical JSON cannot hold
 */
export const tripletId = ({
  tenant,
  input,
  chosen,
  rejected,
  source,
}: Pick<Triplet, 'tenant' | 'input' | 'chosen' | 'rejected' | 'source'>): string => {
  const people = source === 'human' || source === 'hybrid';
  return sha256Hex(canonicalBytes({ tenant, input, chosen, rejected, ...(people && { people }) }));
};
