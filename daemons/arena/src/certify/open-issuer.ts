/** The issuer of a data folder: its keys, sealed; its log; what a crash left of both; a list that stays fresh. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { AttestSettings } from './attest-options.ts';
import { DraftShelf } from './draft-shelf.ts';
import { issuerKeys } from './issuer-keys.ts';
import { Issuer } from './issuer.ts';
import { SigningFolder } from './signing-folder.ts';

export type OpenIssuerParts = { dataDir: string; settings: AttestSettings; store: Store; clock: Clock; log: Logger };

export type OpenIssuer = {
  issuer: Issuer;
  signing: SigningFolder;
  /** The issuer's folder: trust file, revocations, log. */
  folder: string;
};

/** A list is good for 24 h. */
const renewEveryMs = 6 * 3_600_000;
/** Between looks whether a service that did not sign does so again. */
const retryEveryMs = 15_000;

/**
 * Opens it on `stack`; what a crash left unlogged is logged now.
 * @throws AttestRefused LOG_LOCKED, KEY_BAD, KMS_… when the first keys have to be made; SecretsRefused (exitCode 78) when the keys do not open, and nothing is changed
 */
export async function openIssuer(parts: OpenIssuerParts, stack: AsyncDisposableStack): Promise<OpenIssuer> {
  const { dataDir, settings, store, clock, log } = parts;
  const keys = issuerKeys(dataDir, settings.keys, (path) => {
    log.warn('made a new key file: back it up, apart from the signing keys', { path });
  });
  const signing = stack.use(await SigningFolder.open({ keys, clock, log, ...settings.log }));
  const drafts = new DraftShelf(keys.path, log);
  const issuer = stack.use(new Issuer({ signing, settings: settings.issuer, store, clock, log, drafts }));
  await issuer.settle();
  const renewing = setInterval(() => {
    signing.renewRevocations().catch((error: unknown) => log.error('the revocation list was not renewed', { error }));
  }, renewEveryMs);
  stack.defer(() => clearInterval(renewing));
  const retrying = setInterval(() => {
    issuer.retry().catch((error: unknown) => log.error('certificates that wait were not issued', { error }));
  }, retryEveryMs);
  stack.defer(() => clearInterval(retrying));
  return { issuer, signing, folder: keys.path };
}
