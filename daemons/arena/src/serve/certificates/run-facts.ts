import type { Store } from '@labmesh/store/store';
import { verifiedCertificate } from './verified-certificate.ts';
import type { RunRouteParts } from '../run-routes.ts';
import { averageRunMs } from '../run-views.ts';

/** What the store knows that answers of runs name. */
export const runFacts = (store: Store): Pick<RunRouteParts, 'usualMs' | 'certificateOf'> => ({
  usualMs: (tenant) => averageRunMs(store, tenant),
  certificateOf: (tenant, id) => verifiedCertificate(store, tenant, id),
});
