import type { Clock } from '@labmesh/kit/clock';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { Logger } from '@labmesh/kit/log';
import { openInternalToken, openKeyId } from '../access/internal-key.ts';
import { operatorRights, rightsOf } from '../access/key-rights.ts';
import type { KeyStore } from '../access/key-store.ts';
import { openArenaClient } from '../arena/open-arena-client.ts';
import { Verification } from './verification.ts';
import type { VerificationOptions } from '../verification-options.ts';

export type OpenVerification = {
  verification: Verification;
  /** The secret that the arena shows to this gateway, and this gateway to the arena. */
  internalToken: string;
};

/** Finds the arena that the settings name. @throws OptionsError */
export function openVerification(
  options: VerificationOptions,
  parts: { pool: HttpPool; clock: Clock; log: Logger; keys: Pick<KeyStore, 'find'> },
): OpenVerification {
  const { pool, clock, log, keys } = parts;
  const internalToken = openInternalToken(options.internalKeyFile);
  const arena = openArenaClient(options, {
    pool,
    token: internalToken,
    rightsOf: (id) => (id === openKeyId ? operatorRights : rightsOf(keys.find(id))),
  });
  return { internalToken, verification: new Verification({ options, arena, clock, log }) };
}
