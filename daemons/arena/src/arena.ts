/**
 * The arena: takes answers apart, runs them, ranks them, signs what was proven (verification section 3).
 *
 *     gateway ──offer──▶ runs ──▶ generate (through the gateway) ──▶ verify (executor) ──▶ tournament ──▶ certify ──▶ pairs
 *
 * It runs no candidate code itself: that is the executor's, at the other end of `runner`.
 */
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { ArenaSettings } from './arena-settings.ts';
import { Issuer } from './certify/issuer.ts';
import { SigningFolder } from './certify/signing-folder.ts';
import { gatewayGenerate } from './generate/gateway-generate.ts';
import { judgeOf } from './judges/judge-of.ts';
import { Pairs } from './pairs/pairs.ts';
import { openRuns, type Runs } from './runs/open-runs.ts';
import { arenaApp } from './serve/arena-app.ts';
import { type ArenaAddress, serveArena } from './serve/serve-arena.ts';
import { openSuiteSealer } from './suites/suite-sealer.ts';
import { SuiteShelf } from './suites/suite-shelf.ts';
import { everyVerifier } from './verify/built-in-verifiers.ts';
import { openVerification } from './verify/open-verification.ts';

export type ArenaParts = {
  /** Keys of suites below `arena`, keys of certificates and their log below `attest`. */
  dataDir: string;
  address: ArenaAddress;
  /** Shared with the gateway, both ways. */
  token: string;
  /** Of the gateway, without `/v1`. */
  gatewayUrl: string;
  runner: SandboxRunner;
  store: Store;
  settings: ArenaSettings;
  clock: Clock;
  log: Logger;
};

/** A list is good for 24 h. */
const renewEveryMs = 6 * 3_600_000;

export type Arena = AsyncDisposable & { readonly runs: Runs; readonly port: number | null };

/**
 * Opens folder, log and listener; runs that a process before this one left go on by themselves.
 * @throws AttestRefused LOG_LOCKED, SuiteRefused SUITE_UNREADABLE, SocketPlaceError, ArenaAddressError
 */
export async function openArena(parts: ArenaParts): Promise<Arena> {
  const { dataDir, address, token, gatewayUrl, runner, store, settings, clock, log } = parts;
  await using stack = new AsyncDisposableStack();
  const folder = join(dataDir, 'attest');
  const suites = new SuiteShelf(store, openSuiteSealer(join(dataDir, 'arena')));
  const verification = openVerification({ verifiers: everyVerifier, settings: settings.verify, runner, clock, log });
  const signing = stack.use(await SigningFolder.open({ folder, clock, ...settings.attest }));
  const issuer = new Issuer({ signing, settings: settings.attest, store, clock, log });
  await issuer.settle();
  const pairs = new Pairs({
    store,
    clock,
    logger: log,
    log: { add: (entry) => signing.append(entry) },
    mayTrain: (tenant) => settings.trainingTenants.some((one) => one === '*' || one === tenant),
  });
  await pairs.settle();
  const generate = gatewayGenerate({ baseUrl: gatewayUrl, token });
  const runs = stack.use(
    openRuns({
      store,
      settings: settings.runs,
      log,
      clock,
      generate,
      verification,
      judge: (payer) => judgeOf(settings.judge, { generate, clock, ...payer }),
      suites,
      certify: (run) => issuer.certify(run),
      onFinished: async (run, certificateId) => {
        await pairs.onFinished(run, certificateId);
      },
    }),
  );
  const renewing = setInterval(() => {
    signing.renewRevocations().catch((error: unknown) => log.error('the revocation list was not renewed', { error }));
  }, renewEveryMs);
  stack.defer(() => clearInterval(renewing));
  const app = arenaApp({
    submit: (offer, signal) => runs.submit(offer, signal),
    store,
    verification,
    suites,
    pairs,
    issuer,
    folder,
    token,
    clock,
    log,
    variations: settings.runs.shadow.variations,
  });
  const { port } = stack.use(await serveArena(app, address));
  const open = stack.move();
  return { runs, port, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
