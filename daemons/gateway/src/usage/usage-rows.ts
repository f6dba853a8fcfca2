/** Usage sums in the store: one row a (key, model), to which every replica adds. */
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';

/** Requests, and what they took. */
export type UsageCounts = {
  requests: number;
  errors: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  /** Requests whose tokens we estimated. */
  estimated: number;
};
export type UsageSums = { key: string; model: string } & UsageCounts;

const who = system('usage');
/** Of one statement. */
const rowsAtOnce = 200;
/** The table could tell endpoints apart; these sums do not. */
const endpoint = '';

/** Adds counts to what is there. In one order of rows, so that two replicas never wait for each other. */
export async function addUsage(tx: Writer, sums: readonly UsageSums[], now: number): Promise<void> {
  const name = ({ key, model }: UsageSums) => `${key}\n${model}`;
  const sorted = sums.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
  for (let at = 0; at < sorted.length; at += rowsAtOnce) {
    const rows = sorted.slice(at, at + rowsAtOnce).map((one) => ({
      key_id: one.key,
      model: one.model,
      endpoint,
      requests: one.requests,
      errors: one.errors,
      prompt_tokens: one.promptTokens,
      completion_tokens: one.completionTokens,
      cached_tokens: one.cachedTokens,
      estimated: one.estimated,
      updated_at: now,
    }));
    await tx
      .insertInto('key_usage')
      .values(rows)
      .onConflict((on) =>
        on.columns(['key_id', 'model', 'endpoint']).doUpdateSet((eb) => ({
          requests: eb('key_usage.requests', '+', eb.ref('excluded.requests')),
          errors: eb('key_usage.errors', '+', eb.ref('excluded.errors')),
          prompt_tokens: eb('key_usage.prompt_tokens', '+', eb.ref('excluded.prompt_tokens')),
          completion_tokens: eb('key_usage.completion_tokens', '+', eb.ref('excluded.completion_tokens')),
          cached_tokens: eb('key_usage.cached_tokens', '+', eb.ref('excluded.cached_tokens')),
          estimated: eb('key_usage.estimated', '+', eb.ref('excluded.estimated')),
          updated_at: now,
        })),
      )
      .execute();
  }
}

/** Sums of all replicas by key id or by model. @throws StoreUnavailable */
export async function usageBy(store: Store, what: 'key' | 'model'): Promise<(UsageCounts & { id: string })[]> {
  const column = what === 'key' ? 'key_id' : 'model';
  const rows = await store.read(who, (db) =>
    db
      .selectFrom('key_usage')
      .select((eb) => [
        `${column} as id` as const,
        eb.fn.sum<number>('requests').as('requests'),
        eb.fn.sum<number>('errors').as('errors'),
        eb.fn.sum<number>('prompt_tokens').as('promptTokens'),
        eb.fn.sum<number>('completion_tokens').as('completionTokens'),
        eb.fn.sum<number>('cached_tokens').as('cachedTokens'),
        eb.fn.sum<number>('estimated').as('estimated'),
      ])
      .groupBy(column)
      .orderBy(column)
      .execute(),
  );
  return rows;
}
