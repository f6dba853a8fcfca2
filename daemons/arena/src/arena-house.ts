/** What the arena keeps: suites, signatures with their log, pairs; and the verifiers that it asks. */
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { ArenaSettings } from './arena-settings.ts';
import { type OpenIssuer, openIssuer } from './certify/open-issuer.ts';
import { openPreferences, type Preferences } from './pairs/open-preferences.ts';
import { openSuiteSealer } from './suites/suite-sealer.ts';
import { SuiteShelf } from './suites/suite-shelf.ts';
import { everyVerifier } from './verify/built-in-verifiers.ts';
import { openVerification } from './verify/open-verification.ts';
import type { Verification } from './verify/verification.ts';

export type HouseParts = {
  /** Keys of suites and what seals others below `arena`, keys of certificates and their log below `attest`. */
  dataDir: string;
  runner: SandboxRunner;
  store: Store;
  settings: ArenaSettings;
  clock: Clock;
  log: Logger;
};

export type ArenaHouse = Pick<OpenIssuer, 'issuer' | 'folder'> & {
  suites: SuiteShelf;
  verification: Verification;
  pairs: Preferences['pairs'];
};

/** Opens all of it on `stack`. @throws as openIssuer; SuiteRefused SUITE_UNREADABLE */
export async function openArenaHouse(parts: HouseParts, stack: AsyncDisposableStack): Promise<ArenaHouse> {
  const { dataDir, runner, store, settings, clock, log } = parts;
  const suites = new SuiteShelf(store, openSuiteSealer(join(dataDir, 'arena')));
  const verification = openVerification({ verifiers: everyVerifier, settings: settings.verify, runner, clock, log });
  const issuing = { dataDir, settings: settings.attest, store, clock, log };
  const { issuer, signing, folder } = await openIssuer(issuing, stack);
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
  return { suites, verification, issuer, pairs, folder };
}
