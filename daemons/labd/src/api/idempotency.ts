/**
 * `Idempotency-Key` of creates (AP-3): the same key from the same caller within 24 h gives the first answer again. Answers
 * hold what is shown once, so they are sealed. The same key for another body or another thing is a conflict.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import type { Call } from './handler.ts';

const keyPattern = /^[\x21-\x7e]{1,128}$/;
const lifeMs = 24 * 3_600_000;
const worker = system('idempotency');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const otherCall = () =>
  new FleetError('CONFLICT', { message: 'this Idempotency-Key was used with another body or path' });

/** Who asks, for what thing, and how: an answer belongs to all of it. */
export type IdempotentCall = Pick<Call<FleetOperation>, 'caller' | 'params' | 'body'>;
export type IdempotencyParts = { store: Store; secrets: Sealer; clock: Clock; log: Logger };

export class IdempotentAnswers {
  readonly #parts: IdempotencyParts;
  /** Calls under way: a second one waits for the first. */
  readonly #running = new Map<string, { digest: string; answer: Promise<unknown> }>();

  constructor(parts: IdempotencyParts) {
    this.#parts = parts;
  }

  /** @throws FleetError VALIDATION_FAILED, CONFLICT, and what `work` throws (which is not kept). */
  async once(
    key: string,
    { caller, params, body }: IdempotentCall,
    operation: FleetOperation,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    if (!keyPattern.test(key))
      throw new FleetError('VALIDATION_FAILED', {
        field: 'Idempotency-Key',
        message: 'the Idempotency-Key is not 1 to 128 printable characters',
      });
    const { kind, id } = caller.principal;
    const principal = `${kind}:${id}`;
    const row = sha256(`${principal}\n${operation.name}\n${key}`);
    const digest = sha256(JSON.stringify(Object.keys(params).length === 0 ? body : { params, body }));
    const found = await this.#find(row, digest);
    if (found !== undefined) return found.answer;
    const first = this.#running.get(row);
    if (first !== undefined && first.digest !== digest) throw otherCall();
    if (first !== undefined) return first.answer;
    const answer = this.#run(row, digest, principal, operation, work);
    this.#running.set(row, { digest, answer });
    try {
      return await answer;
    } finally {
      this.#running.delete(row);
    }
  }

  async #find(row: string, digest: string): Promise<{ answer: unknown } | undefined> {
    const since = this.#parts.clock.wall() - lifeMs;
    const found = await this.#parts.store.read(worker, (db) =>
      db
        .selectFrom('idempotency')
        .select('body')
        .where('key', '=', row)
        .where('created_at', '>', since)
        .executeTakeFirst(),
    );
    if (found === undefined) return undefined;
    const opened = this.#parts.secrets.open('idempotency', row, 'body', found.body);
    const kept = JSON.parse(new TextDecoder().decode(opened)) as { digest: string; answer: unknown };
    if (kept.digest !== digest) throw otherCall();
    return kept;
  }

  async #run(
    row: string,
    digest: string,
    principal: string,
    operation: FleetOperation,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const answer = await work();
    const { clock, log } = this.#parts;
    // It is done: an answer that cannot be kept is given all the same, this once.
    await this.#keep({ row, digest, principal, operation, answer }, clock.wall()).catch((error: unknown) => {
      log.warn('an answer was not kept for its Idempotency-Key', { operation: operation.name, error });
    });
    return answer;
  }

  async #keep(
    kept: { row: string; digest: string; principal: string; operation: FleetOperation; answer: unknown },
    now: number,
  ): Promise<void> {
    const { store, secrets } = this.#parts;
    const { row, digest, principal, operation, answer } = kept;
    const body = secrets.seal('idempotency', row, 'body', new TextEncoder().encode(JSON.stringify({ digest, answer })));
    const values = {
      key: row,
      principal,
      operation: operation.name,
      status: operation.status ?? 200,
      body,
      created_at: now,
    };
    await store.write(worker, async (tx) => {
      await tx
        .deleteFrom('idempotency')
        .where('created_at', '<=', now - lifeMs)
        .execute();
      await tx
        .insertInto('idempotency')
        .values(values)
        .onConflict((on) => on.columns(['key', 'principal', 'operation']).doUpdateSet(values))
        .execute();
    });
  }
}
