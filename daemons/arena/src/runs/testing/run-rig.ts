/** A run engine on a store of its own, with a fake gateway, one verifier and a judge that counts. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import type { ArenaEvent, RunOffer } from '@labmesh/wire/verification/arena-run';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import { z } from 'zod';
import type { FinishedRun } from '../../contract/finished-run.ts';
import type { Judge } from '../../contract/judge.ts';
import type { Verifier } from '../../contract/verifier.ts';
import { gatewayGenerate } from '../../generate/gateway-generate.ts';
import type { FakeGateway } from '../../generate/testing/fake-gateway.ts';
import { openVerification } from '../../verify/open-verification.ts';
import { verifyDefaults } from '../../verify/verify-settings.ts';
import { openRuns, type Runs } from '../open-runs.ts';
import type { RunParts } from '../run-parts.ts';
import { runDefaults, type RunSettings } from '../run-settings.ts';
import { textOf } from '../steps/report.ts';

/** What an answer says of itself decides: `BAD` fails, `ERR` cannot be checked, `PLAIN` has nothing to check. */
export const wordVerifier = (onCheck: () => void = () => {}): Verifier => ({
  name: 'code_linter',
  version: '1.0.0',
  description: 'reads the word in the answer',
  class: 1,
  minLevel: null,
  hard: true,
  configSchema: z.object({}),
  verify: async ({ answer }) => {
    onCheck();
    const text = textOf(answer);
    const details = { code_preview: text.slice(0, 100) };
    if (text.includes('ERR')) return { status: 'error', message: 'executor away', details, code: 'EXECUTOR_AWAY' };
    if (text.includes('BAD')) return { status: 'failed', message: `no good: ${text.slice(0, 40)}`, details };
    if (text.includes('PLAIN')) return { status: 'skipped', message: 'nothing to check', details };
    return { status: 'passed', message: 'ok', details, grants: ['SYNTAX_OK'] };
  },
});

/** Longer is better; `onCall` counts. */
export const longerJudge = (onCall: () => void | Promise<void> = () => {}): Judge => ({
  name: 'longer',
  kind: 'llm',
  promptSha256: 'ab'.repeat(32),
  models: [],
  compare: async (a, b) => {
    await onCall();
    const [scoreA, scoreB] = [a, b].map(({ candidate }) => Math.min(10, textOf(candidate.answer).length / 10));
    return { scoreA: scoreA ?? 0, scoreB: scoreB ?? 0, rationale: 'the longer one', usd: 0.001 };
  },
});

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
  return { runs, store, finished, certified, counts, [Symbol.asyncDispose]: end };
}

let offers = 0;
export type OfferInput = Partial<Omit<RunOffer, 'block'>> & { block?: z.input<typeof verificationBlockSchema> };

export function offerOf({ block, ...rest }: OfferInput = {}): RunOffer {
  return {
    requestId: `req_${++offers}_${Date.now()}`,
    tenant: 'acme',
    key: 'key-1',
    mode: 'intercept',
    request: { model: 'tiny', messages: [{ role: 'user', content: 'SECRETPROMPT write add' }] },
    block: verificationBlockSchema.parse(block ?? {}),
    deadlineMs: Date.now() + 60_000,
    ...rest,
  };
}

/** All events of a run. */
export async function eventsOf(
  runs: Runs,
  offer: RunOffer,
  signal = new AbortController().signal,
): Promise<ArenaEvent[]> {
  const events: ArenaEvent[] = [];
  for await (const event of runs.submit(offer, signal)) events.push(event);
  return events;
}

export function only<E extends ArenaEvent['event']>(events: readonly ArenaEvent[], name: E) {
  return events.filter((event): event is Extract<ArenaEvent, { event: E }> => event.event === name);
}
