/** A run engine on a store of its own, with a fake gateway, one verifier and a judge that counts. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { FinishedRun } from '../../contract/finished-run.ts';
import { gatewayGenerate } from '../../generate/gateway-generate.ts';
import type { FakeGateway } from '../../generate/testing/fake-gateway.ts';
import { openVerification } from '../../verify/open-verification.ts';
import type { Verification } from '../../verify/verification.ts';
import { verifyDefaults } from '../../verify/verify-settings.ts';
import { openRuns, type Runs } from '../open-runs.ts';
import type { RunParts } from '../run-parts.ts';
import { runDefaults, type RunSettings } from '../run-settings.ts';
import { longerJudge, wordVerifier } from './word-verifier.ts';

const nowhere: SandboxRunner = {
  run: () => Promise.reject(new Error('no executor here')),
  levels: () => Promise.resolve([]),
};

export type RigOptions = {
  gateway: Pick<FakeGateway, 'url'>;
  url?: string;
  store?: SqlStore;
  settings?: Partial<RunSettings>;
  parts?: Partial<RunParts>;
  onJudge?: () => void | Promise<void>;
};

export type Rig = AsyncDisposable & {
  runs: Runs;
  verification: Verification;
  store: SqlStore;
  finished: FinishedRun[];
  certified: string[];
  counts: { checks: number; judged: number };
};

export async function openRig(options: RigOptions): Promise<Rig> {
  const { gateway, onJudge } = options;
  const store = options.store ?? (await openStore({ url: options.url ?? 'sqlite::memory:' }));
  const finished: FinishedRun[] = [];
  const certified: string[] = [];
  const counts = { checks: 0, judged: 0 };
  const verification = openVerification({
    verifiers: [wordVerifier(() => (counts.checks += 1))],
    settings: { ...verifyDefaults, cacheMs: 0, errorRetries: 0 },
    runner: nowhere,
    clock: systemClock,
    log: silentLogger,
  });
  const judge = longerJudge(async () => {
    counts.judged += 1;
    await onJudge?.();
  });
  const runs = openRuns({
    store,
    settings: { ...runDefaults, ...options.settings },
    log: silentLogger,
    clock: systemClock,
    generate: gatewayGenerate({ baseUrl: gateway.url, token: 'lmk_arena' }),
    verification,
    judge: () => judge,
    suites: { get: () => Promise.resolve(undefined) },
    certify: (run) => {
      certified.push(run.id);
      return Promise.resolve({ certificateId: `cert-${run.id}`, properties: ['SYNTAX_OK'], isolation: null });
    },
    onFinished: (run) => Promise.resolve(void finished.push(run)),
    ...options.parts,
  });
  const end = async () => {
    await runs[Symbol.asyncDispose]();
    if (options.store === undefined) await store[Symbol.asyncDispose]();
  };
  return { runs, verification, store, finished, certified, counts, [Symbol.asyncDispose]: end };
}
