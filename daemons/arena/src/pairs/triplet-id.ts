import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Triplet } from '@labmesh/wire/verification/preference';

/**
 * Hex SHA-256 over tenant, input, chosen and rejected: the same pair made again has the same id, that of another tenant
 * never has.
 * @throws AttestRefused JSON_BAD for what canonical JSON cannot hold
 */
export const tripletId = ({
  tenant,
  input,
  chosen,
  rejected,
}: Pick<Triplet, 'tenant' | 'input' | 'chosen' | 'rejected'>): string =>
  sha256Hex(canonicalBytes({ tenant, input, chosen, rejected }));
