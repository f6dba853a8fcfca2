/** Rows of a run that ended, as the engine leaves them: two answers, the first of which is right. */
import type { SqlStore } from '@labmesh/store/sql-store';
import { system } from '@labmesh/wire/fleet/principal';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import { putCandidate } from '../../rows/candidate-rows.ts';
import type { RunPlan } from '../../rows/run-plan.ts';
import { sampleAnswer } from './sample-run.ts';

const tester = system('run rows test');

export type RunChanges = {
  /** Of the candidates, in order. */
  answers?: readonly ('valid' | 'invalid')[];
  /** Who gave them; one model unless told. */
  models?: readonly string[];
  block?: object;
  tenant?: string;
  state?: string;
  offer?: string | null;
  finished_at?: number | null;
};

const plan: RunPlan = {
  strategy: 'temperature_sweep',
  samplings: [],
  method: 'auto',
  judge: { name: 'verifiers', kind: 'deterministic', promptSha256: null },
  maxTokens: 100,
  corrections: 0,
  correctsAlways: false,
  suiteSha256: null,
  budget: { tokens: 1_000, nanoUsd: null, judgeCalls: null },
  warnings: [],
};

const offerOf = (id: string, tenant: string, block: object) => ({
  requestId: id,
  tenant,
  key: 'key-1',
  mode: 'intercept',
  deadlineMs: 1,
  block: verificationBlockSchema.parse(block),
  request: { model: 'tiny', messages: [{ role: 'user', content: `write add for ${id}` }] },
});

/** @returns the id */
export async function addRunRows(
  store: SqlStore,
  { id, answers = ['valid', 'invalid'], models = [], block = {}, ...changes }: RunChanges & { id: string },
): Promise<string> {
  const tenant = changes.tenant ?? 'acme';
  const fields = {
    id,
    created_at: 1_766_275_200_000,
    tenant,
    key_id: 'key-1',
    request_id: id,
    mode: 'intercept',
    state: 'done',
    priority: 2,
    model: 'tiny',
    offer: JSON.stringify(offerOf(id, tenant, block)),
    seed: 1,
    plan: JSON.stringify(plan),
    outcome: 'valid',
    chosen: 0,
    tokens_in: 0,
    tokens_out: 0,
    cost_nano: 0,
    deadline_at: 1,
    finished_at: 1_766_275_201_000,
  };
  const sampling = { model: 'tiny', temperature: 0, topP: null, topK: null, seed: 1, suffix: null };
  const usual = {
    attempt: 0,
    state: 'generated' as const,
    sameAs: null,
    sampling,
    finishReason: 'stop',
  };
  const spent = { tokensIn: 1, tokensOut: 1, costNano: 0, latencyMs: 1, reason: null };
  await store.write(tester, async (tx) => {
    await tx
      .insertInto('arena_runs')
      .values({ ...fields, ...changes, tenant })
      .execute();
    for (const [idx, outcome] of answers.entries()) {
      const { answer, digest, aggregate } = sampleAnswer(`answer ${idx} of ${id}`, outcome);
      const model = models[idx] ?? 'tiny';
      await putCandidate(tx, id, { idx, answer, digest, aggregate, outcome, model, ...usual, ...spent });
    }
  });
  return id;
}
