/**
 * What the gateway asks of its own accord. Here: under which word answers that were found valid may be given again (verification RP9, CT7): the gateway keeps answers, and
 * compares. The word is of one tenant, so that nobody sees or clears what another one keeps.
 */
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Store } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import { Hono } from 'hono';
import { countRevoked } from '../certify/certificate-rows.ts';
import { CommonRevocations } from '../certify/common-revocations.ts';
import type { Revoker } from '../certify/revoker.ts';
import type { SuiteShelf } from '../suites/suite-shelf.ts';
import { tenantOf } from './arena-caller.ts';
import { type LiveParts, liveRoute } from './live/live-route.ts';

/** `folder`: the issuer's. */
export type EpochParts = LiveParts & {
  store: Store;
  suites: Pick<SuiteShelf, 'list'>;
  folder: string;
  issuer: { revoker: Pick<Revoker, 'listed'> };
};

export function epochRoute(parts: EpochParts): Hono {
  const { store, suites, folder, issuer } = parts;
  // A start may bring other settings and other verifiers.
  const start = uuidv7();
  const common = new CommonRevocations(folder, () => issuer.revoker.listed());
  const app = new Hono();
  app.route('/', liveRoute(parts));
  app.get('/v1/epoch', async (c) => {
    const tenant = tenantOf(c);
    const [revoked, all, list] = await Promise.all([countRevoked(store, tenant), common.digest(), suites.list(tenant)]);
    const cases = list.map(({ id, sha256 }) => [id, sha256]);
    const epoch = sha256Hex(new TextEncoder().encode(JSON.stringify([start, revoked, all, cases])));
    return c.json({ epoch });
  });
  return app;
}
