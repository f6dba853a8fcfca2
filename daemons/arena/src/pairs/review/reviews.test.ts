/** EX2, PD1, PD2: what people agree on is a gold pair, in place of what the arena made of the same answers. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { datasetFiltersSchema } from '@labmesh/wire/verification/datasets';
import { giveLabelSchema, type GiveLabelInput, labelLimits } from '@labmesh/wire/verification/labels';
import { onBothEngines } from '../../../../../tests/harness/both-engines.ts';
import { chooseRows } from '../choose-rows.ts';
import { Contamination } from '../contamination.ts';
import { insertDataset } from '../dataset-rows.ts';
import { codeOf, Wheel } from '../testing/wheel.ts';

const tester = system('reviews test');
type Said = Partial<GiveLabelInput>;

/** Answers 0 and 2 are right, 1 is wrong; pairs of the run were made, unless told otherwise. */
class Review {
  readonly wheel: Wheel;
  runId = '';

  constructor(wheel: Wheel) {
    this.wheel = wheel;
  }

  async begin(harvested = true): Promise<void> {
    this.runId = await this.wheel.endedRun({ answers: ['valid', 'invalid', 'valid'] });
    if (harvested) await this.wheel.flywheel().pass();
  }

  give(reviewer: string, said: Said = {}, tenant = 'acme') {
    const input = { runId: this.runId, a: 0, b: 2, winner: 'b' as const, confidence: 1, ...said };
    return this.wheel.pairs.reviews.give(tenant, reviewer, giveLabelSchema.parse(input));
  }

  async pairs(quality?: 'gold' | 'silver') {
    const { items } = await this.wheel.pairs.list('acme', { limit: 9, quality });
    return items.map((one) => `${one.quality} ${one.source} ${one.status} ${one.stage}`).toSorted();
  }
}

function agreeing(review: Review): void {
  test('one who prefers: gold, human; the pair says which answer, and why', async () => {
    const rationales = [{ category: 'logic_error' as const, description: 'forgets zero', severity: 7 }];
    const { label, consensus } = await review.give('key-1', { rationales, confidence: 0.9 });
    expect(label).toMatchObject({ a: 0, b: 2, winner: 'b', reviewer: 'key-1', rationales });
    expect(consensus).toMatchObject({ labels: 1, winner: 'b', share: 1, leftOut: null });
    const pair = await review.wheel.pairs.get('acme', consensus.pairId ?? '');
    expect(pair).toMatchObject({
      quality: 'gold',
      source: 'human',
      confidence: 0.9,
      chosen_score: 1,
      rejected_score: 0,
      rationale: 'logic_error: forgets zero',
      failure_reasons: ['logic_error'],
      metadata: { chosen: { index: 2 }, rejected: { index: 0 }, review: { labels: 1, agreeing: 1 } },
    });
    expect(pair.chosen[0]?.content).toContain('answer 2');
    expect(await review.pairs()).toEqual(['gold human active pending', 'silver verification active pending']);
  });

  test('what verifiers said too is hybrid; their pair is archived, so that no version holds both', async () => {
    const { consensus } = await review.give('key-1', { a: 1, b: 0 });
    expect(consensus).toMatchObject({ a: 0, b: 1, winner: 'a' });
    expect(await review.pairs()).toEqual(['gold hybrid active pending', 'silver verification archived pending']);
    expect((await review.wheel.freeze('code')).count).toBe(1);
    expect((await review.wheel.pairs.stats('acme')).qualities).toMatchObject({ gold: 1, silver: 0 });
  });

  test('a hard verifier outweighs people: what failed it is never chosen', async () => {
    const { consensus } = await review.give('key-1', { a: 0, b: 1, winner: 'b' });
    expect(consensus).toMatchObject({ winner: 'b', pairId: null, leftOut: 'not_valid' });
    expect(await review.pairs()).toEqual(['silver verification active pending']);
  });

  test('votes change, and the pair with them; one word a reviewer', async () => {
    await review.give('key-1');
    expect((await review.give('key-2', { winner: 'a' })).consensus).toMatchObject({ winner: null, pairId: null });
    expect(await review.pairs('gold')).toEqual([]);
    expect((await review.give('key-1', { winner: 'a' })).consensus).toMatchObject({ labels: 2, winner: 'a', share: 1 });
    const [gold] = (await review.wheel.pairs.list('acme', { limit: 9, quality: 'gold' })).items;
    expect(await review.wheel.pairs.get('acme', gold?.id ?? '')).toMatchObject({ metadata: { chosen: { index: 0 } } });
    await review.give('key-1', { winner: 'tie' });
    await review.give('key-2', { winner: 'tie' });
    expect(await review.pairs('gold')).toEqual([]);
  });

  test('PD3 what a version froze stays in it; the row says that it is past, and may come back', async () => {
    const { consensus } = await review.give('key-1', { a: 0, b: 1, winner: 'a' });
    const version = await review.wheel.freeze('code');
    await review.give('key-2', { a: 0, b: 1, winner: 'tie' });
    expect(await review.pairs()).toEqual(['gold hybrid archived processed', 'silver verification active pending']);
    const lines: string[] = [];
    await review.wheel.pairs.exportDataset('acme', 'code', 'jsonl', (event) => {
      if (event.event === 'line') lines.push(event.text);
    });
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([consensus.pairId ?? '']);
    expect(await review.wheel.pairs.getDataset('acme', 'code')).toMatchObject({
      sha256: version.sha256,
      state: 'frozen',
    });
    await review.give('key-2', { a: 0, b: 1, winner: 'a' });
    expect(await review.pairs()).toEqual(['gold hybrid active exported', 'silver verification archived pending']);
  });
}

function racing(review: Review): void {
  test('PD3 a pair that is made anew while a version is chosen: the digest is that of what is frozen', async () => {
    await review.give('key-1', { confidence: 0.8 });
    // Whichever of the two is first.
    const voting = review.wheel.clock.advance(5).then(() => review.give('key-2', { confidence: 0.9 }));
    const [version] = await Promise.all([review.wheel.freeze('code'), voting]);
    const lines: string[] = [];
    await review.wheel.pairs.exportDataset('acme', 'code', 'jsonl', (event) => {
      if (event.event === 'line') lines.push(`${event.text}\n`);
    });
    const sorted = lines.map((line) => Buffer.from(line)).toSorted((a, b) => a.compare(b));
    expect(new Bun.CryptoHasher('sha256').update(Buffer.concat(sorted)).digest('hex')).toBe(version.sha256);
  });

  test('PD3 a row that is another than was chosen is not frozen', async () => {
    const { consensus } = await review.give('key-1');
    const chosen = await chooseRows(
      review.wheel.store,
      'acme',
      datasetFiltersSchema.parse({}),
      await Contamination.of([]),
    );
    await review.wheel.clock.advance(5);
    await review.give('key-2');
    const draft = { tenant: 'acme', name: 'x', author: 'k', filters: datasetFiltersSchema.parse({}), createdAt: 1 };
    const freeze = () => review.wheel.store.write(tester, (tx) => insertDataset(tx, draft, chosen));
    expect(chosen.rows.map(({ id }) => id)).toContain(consensus.pairId ?? '');
    expect(await codeOf(freeze())).toBe('DATASET_MOVED');
    expect((await review.wheel.pairs.listDatasets('acme', { limit: 9 })).items).toEqual([]);
  });
}

function refusing(review: Review): void {
  test('of another tenant, of no such answers, without consent: there is nothing to compare', async () => {
    expect(await codeOf(review.give('k', {}, 'other'))).toBe('COMPARISON_NOT_FOUND');
    expect(await codeOf(review.give('k', { b: 7 }))).toBe('COMPARISON_NOT_FOUND');
    expect(await codeOf(review.give('k', { runId: 'none' }))).toBe('COMPARISON_NOT_FOUND');
    review.runId = await review.wheel.endedRun({ tenant: 'gone' });
    expect(await codeOf(review.give('k', { b: 1 }, 'gone'))).toBe('COMPARISON_NOT_FOUND');
    expect((await review.wheel.pairs.reviews.list('acme', { limit: 9 })).items).toEqual([]);
  });

  test('so many reviewers, and one more is refused; who was heard may still change', async () => {
    for (let at = 0; at < labelLimits.reviewersMost; at++) await review.give(`key-${at}`);
    expect(await codeOf(review.give('one-more'))).toBe('LABELS_FULL');
    expect((await review.give('key-0', { winner: 'a' })).consensus.labels).toBe(labelLimits.reviewersMost);
  });

  test('PD3 words go with the pairs of their run', async () => {
    await review.give('key-1');
    await review.wheel.pairs.remove('acme', { run: review.runId });
    expect((await review.wheel.pairs.reviews.list('acme', { limit: 9, run: review.runId })).items).toEqual([]);
    expect(await review.pairs()).toEqual([]);
  });

  test('PD6 a run that nobody looked at yet has all of its pairs after the first word', async () => {
    await review.wheel.empty();
    await review.begin(false);
    await review.give('key-1');
    expect(await review.pairs()).toEqual(['gold human active pending', 'silver verification active pending']);
    expect(await review.wheel.flywheel().pass()).toMatchObject({ runs: 0 });
  });
}

function suite(name: string, openUrl: () => Promise<string>): void {
  describe(name, () => {
    const wheel = new Wheel(async () => openStore({ url: await openUrl() }));
    const review = new Review(wheel);
    beforeAll(() => wheel.open(), 60_000);
    afterAll(() => wheel.store?.[Symbol.asyncDispose]());
    beforeEach(async () => {
      await wheel.empty();
      await review.begin();
    });
    for (const part of [agreeing, racing, refusing]) part(review);
  });
}

onBothEngines(suite);
