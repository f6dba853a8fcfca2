/**
 * People's words on answers (EX1, EX2), and the gold pairs that they make. One transaction writes a word and what follows of
 * it: the pair as the votes are now, and what the arena made of the same two answers by itself is archived beside it, so
 * that no version holds both. What a version froze stays as it was: there only the row's status says that it is past.
 * Leaderboards count the words themselves (AR17).
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Page } from '@labmesh/store/page';
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { GiveLabel, Label, LabelGiven } from '@labmesh/wire/verification/labels';
import { readRunRows, runOfRows } from '../flywheel/run-of-rows.ts';
import { PairsError } from '../pairs-error.ts';
import { consensusOf } from './consensus.ts';
import { goldPair, type Reviewed } from './gold-pair.ts';
import { labelsOf, listLabels, putLabel } from './label-rows.ts';
import { placeGold } from './place-gold.ts';

export type ReviewsParts = {
  store: Store;
  clock: Clock;
  /** `arena.capture`: people's words are of texts that are kept. */
  keeps: (tenant: string) => boolean;
};

const worker = system('reviews');

/** Votes name the lower index first, whichever way they were given. */
const ordered = ({ a, b, winner, ...rest }: GiveLabel): GiveLabel =>
  a < b
    ? { ...rest, a, b, winner }
    : { ...rest, a: b, b: a, winner: winner === 'tie' ? 'tie' : winner === 'a' ? 'b' : 'a' };

export class Reviews {
  /** Told when a label of a tenant was written. It may not throw. */
  onGiven: (tenant: string) => void = () => {};
  readonly #parts: ReviewsParts;

  constructor(parts: ReviewsParts) {
    this.#parts = parts;
  }

  /** @throws FleetError VALIDATION_FAILED (cursor) */
  list(
    tenant: string,
    ask: { limit: number; cursor?: string | undefined; run?: string | undefined },
  ): Promise<Page<Label>> {
    return this.#parts.store.read(worker, (db) => listLabels(db, tenant, ask));
  }

  /**
   * Takes a reviewer's word, in place of the one before.
   * @param reviewer id of the key that asks
   * @throws PairsError COMPARISON_NOT_FOUND: no such run of this tenant, no such answers, or their texts are not kept; LABELS_FULL
   */
  async give(tenant: string, reviewer: string, wanted: GiveLabel): Promise<LabelGiven> {
    const { store, clock } = this.#parts;
    const given = ordered(wanted);
    const reviewed = await this.#reviewed(tenant, given);
    const said = await store.write(worker, async (tx) => {
      await putLabel(tx, { tenant, reviewer, at: clock.wall() }, given, reviewed.run);
      return this.#settle(tx, tenant, reviewer, reviewed);
    });
    this.onGiven(tenant);
    return said;
  }

  async #reviewed(tenant: string, { runId, a, b }: GiveLabel): Promise<Reviewed> {
    const { store, keeps } = this.#parts;
    const rows = keeps(tenant) ? await store.read(worker, (db) => readRunRows(db, runId, tenant)) : undefined;
    const run = rows === undefined ? undefined : runOfRows(rows);
    const answered = run?.candidates.filter(({ final }) => final !== null).map(({ index }) => index) ?? [];
    if (rows !== undefined && run !== undefined && answered.includes(a) && answered.includes(b)) {
      return { run, certificateId: rows.run.certificateId, a, b };
    }
    throw new PairsError(
      'COMPARISON_NOT_FOUND',
      'there is no such run with two such answers whose texts are kept',
      'runId',
    );
  }

  async #settle(tx: Writer, tenant: string, reviewer: string, reviewed: Reviewed): Promise<LabelGiven> {
    const { run, a, b } = reviewed;
    const labels = await labelsOf(tx, { tenant, runId: run.id, a, b });
    const outcome = consensusOf(labels);
    const gold = goldPair(reviewed, labels, outcome);
    await placeGold(tx, reviewed, gold, this.#parts.clock.wall());
    const label = labels.find((one) => one.reviewer === reviewer) as Label;
    const { winner, share } = outcome;
    const pairId = gold.pair?.triplet.id ?? null;
    const consensus = { runId: run.id, a, b, labels: labels.length, winner, share, pairId, leftOut: gold.leftOut };
    return { label, consensus };
  }
}
