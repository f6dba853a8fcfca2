/** What the arena keeps: suites, signatures with their log, pairs; and the verifiers that it asks. */
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { ArenaSettings } from './arena-settings.ts';
import { Issuer } from './certify/issuer.ts';
import { SigningFolder } from './certify/signing-folder.ts';
import { openPreferences, type Preferences } from './pairs/open-preferences.ts';
import { openSuiteSealer } from './suites/suite-sealer.ts';
import { SuiteShelf } from './suites/suite-shelf.ts';
import { everyVerifier } from './verify/built-in-verifiers.ts';
import { openVerification } from './verify/open-verification.ts';
import type { Verification } from './verify/verification.ts';

export type HouseParts = {
  /** Keys of suites below `arena`, keys of certificates and their log below `attest`. */
  dataDir: string;
  runner: SandboxRunner;
  store: Store;
  settings: ArenaSettings;
  clock: Clock;
  log: Logger;
};

export type ArenaHouse = {
  suites: SuiteShelf;
  verification: Verification;
  issuer: Issuer;
  pairs: Preferences['pairs'];
  /** The issuer's folder: trust file, revocations, log. */
  folder: string;
};

/** A list is good for 24 h. */
const renewEveryMs = 6 * 3_600_000;

/**
 * Opens all of it on `stack`; what a crash left unlogged is logged now.
 * @throws AttestRefused LOG_LOCKED, SuiteRefused SUITE_UNREADABLE
 */
export async function openArenaHouse(parts: HouseParts, stack: AsyncDisposableStack): Promise<ArenaHouse> {
  const { dataDir, runner, store, settings, clock, log } = parts;
  const folder = join(dataDir, 'attest');
  const suites = new SuiteShelf(store, openSuiteSealer(join(dataDir, 'arena')));
  const verification = openVerification({ verifiers: everyVerifier, settings: settings.verify, runner, clock, log });
  const signing = stack.use(await SigningFolder.open({ folder, clock, ...settings.attest }));
  const issuer = stack.use(new Issuer({ signing, settings: settings.attest, store, clock, log }));
  await issuer.settle();
  const { pairs } = stack.use(
    await openPreferences({
      store,
      clock,
      logger: log,
      suites,
      log: { add: (entry) => signing.append(entry) },
      settings: settings.training,
      keeps: (tenant) => settings.runs.capture.some((one) => one === '*' || one === tenant),
    }),
  );
  const renewing = setInterval(() => {
    signing.renewRevocations().catch((error: unknown) => log.error('the revocation list was not renewed', { error }));
  }, renewEveryMs);
  stack.defer(() => clearInterval(renewing));
  return { suites, verification, issuer, pairs, folder };
}
