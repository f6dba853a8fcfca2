/** PD6: ended runs become pairs, enough pairs a proposed version, a person decides. On both databases. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { onBothEngines } from '../../../../../tests/harness/both-engines.ts';
import { samplePairRun } from '../testing/sample-run.ts';
import { codeOf, Wheel } from '../testing/wheel.ts';
import { Flywheel } from './flywheel.ts';

const tester = system('flywheel test');

function harvesting(wheel: Wheel): void {
  test('a run whose end made no pairs gets them, once; one that has them is left alone', async () => {
    const lost = await wheel.endedRun();
    const had = await wheel.endedRun();
    await wheel.pairs.onFinished(samplePairRun({ id: had }), null);
    const flywheel = wheel.flywheel();
    expect(await flywheel.pass()).toEqual({ runs: 2, pairs: 1, failed: 0, proposed: 0, placed: 0 });
    expect((await wheel.pairs.list('acme', { limit: 9, run: lost })).items).toMatchObject([
      { quality: 'silver', source: 'verification', stage: 'pending' },
    ]);
    expect(await flywheel.pass()).toEqual({ runs: 0, pairs: 0, failed: 0, proposed: 0, placed: 0 });
    expect(await wheel.pairs.stats('acme')).toMatchObject({ total: 2, runs: { waiting: 0, failed: 0 } });
  });

  test('P7 consent that was taken back since: no pairs of what was kept', async () => {
    await wheel.endedRun({ tenant: 'gone' });
    expect(await wheel.flywheel().pass()).toMatchObject({ runs: 1, pairs: 0 });
    expect((await wheel.pairs.stats('gone')).total).toBe(0);
  });

  test('a run that is under way, failed, or has no texts gives none', async () => {
    await wheel.endedRun({ finished_at: null });
    await wheel.endedRun({ state: 'failed' });
    await wheel.endedRun({ offer: null });
    expect(await wheel.flywheel().pass()).toMatchObject({ runs: 2, pairs: 0, failed: 0 });
  });

  test('rows that cannot be read stop nothing, are told without a word of theirs, and not looked at again', async () => {
    await wheel.endedRun({ offer: '{"SECRET' });
    await wheel.endedRun();
    const logged: unknown[] = [];
    const logger = { ...silentLogger, error: (...said: unknown[]) => void logged.push(said) };
    const flywheel = wheel.flywheel({ logger });
    expect(await flywheel.pass()).toMatchObject({ runs: 2, pairs: 1, failed: 1 });
    expect(await flywheel.pass()).toMatchObject({ runs: 0 });
    expect(logged).toHaveLength(1);
    expect(JSON.stringify(logged)).not.toContain('SECRET');
    expect((await wheel.pairs.stats('acme')).runs).toEqual({ waiting: 0, failed: 1 });
  });
}

function turning(wheel: Wheel): void {
  test('PD3 what was deleted does not come back, whichever way it was named', async () => {
    const [one, two, three] = [await wheel.endedRun(), await wheel.endedRun(), await wheel.endedRun()];
    await wheel.pairs.onFinished(samplePairRun({ id: one }), null);
    const [pair] = (await wheel.pairs.list('acme', { limit: 1 })).items;
    await wheel.pairs.remove('acme', { id: pair?.id ?? '' });
    await wheel.pairs.remove('acme', { run: two });
    // Another tenant's word is nothing to this one's runs.
    await wheel.pairs.remove('other', { run: three });
    await wheel.pairs.remove('other', { all: true });
    expect(await wheel.flywheel().pass()).toMatchObject({ runs: 1, pairs: 1 });
    expect((await wheel.pairs.list('acme', { limit: 9 })).items.map(({ runId }) => runId)).toEqual([three]);
    await wheel.endedRun();
    await wheel.pairs.remove('acme', { all: true });
    expect(await wheel.flywheel().pass()).toMatchObject({ runs: 0, pairs: 0 });
    expect((await wheel.pairs.stats('acme')).total).toBe(0);
  });

  test('one process at a time', async () => {
    await wheel.endedRun();
    await wheel.store.write(tester, (tx) =>
      tx.insertInto('leases').values({ name: 'arena-flywheel', owner: 'another', expires_at: 2e15 }).execute(),
    );
    expect(await wheel.flywheel().pass()).toBeUndefined();
    await wheel.store.write(tester, (tx) => tx.deleteFrom('leases').execute());
    expect(await wheel.flywheel().pass()).toMatchObject({ pairs: 1 });
  });

  test('it turns by itself, and ends when it is disposed', async () => {
    await wheel.endedRun();
    await using flywheel = wheel.flywheel().start();
    expect(flywheel).toBeInstanceOf(Flywheel);
    while ((await wheel.pairs.stats('acme')).total === 0) await Bun.sleep(5);
  });
}

function proposing(wheel: Wheel): void {
  test('enough pairs: proposed once, approved by a person, frozen; what came meanwhile waits', async () => {
    const flywheel = wheel.flywheel();
    await wheel.add(2);
    expect(await flywheel.pass()).toMatchObject({ proposed: 0 });
    await wheel.add(1);
    expect(await flywheel.pass()).toMatchObject({ proposed: 1 });
    expect(await flywheel.pass()).toMatchObject({ proposed: 0 });
    const [batch] = (await wheel.batches.list('acme', { limit: 9 })).items;
    expect(batch).toMatchObject({ state: 'proposed', pairs: 3, name: 'batch', datasetId: null, decidedBy: null });
    expect((await wheel.pairs.stats('acme')).stages).toMatchObject({ pending: 3, processed: 0 });
    const done = await wheel.batches.approve('acme', batch!.id, 'key-9', 'code');
    expect(done).toMatchObject({ state: 'frozen', name: 'code', decidedBy: 'key-9', fault: null });
    const made = await wheel.pairs.getDataset('acme', 'code');
    expect(made).toMatchObject({ id: done.datasetId!, count: 3, author: 'key-9', stage: 'processed' });
    expect((await wheel.pairs.stats('acme')).stages).toMatchObject({ pending: 0, processed: 3 });
    expect(await codeOf(wheel.batches.approve('acme', batch!.id, 'key-9'))).toBe('BATCH_DECIDED');
    await wheel.add(3);
    expect(await flywheel.pass()).toMatchObject({ proposed: 1 });
  });

  test('rejected: the same pairs propose nothing again, new ones do', async () => {
    const flywheel = wheel.flywheel();
    await wheel.add(3);
    await flywheel.pass();
    const [batch] = (await wheel.batches.list('acme', { limit: 9 })).items;
    expect(await wheel.batches.reject('acme', batch!.id, 'key-1')).toMatchObject({ state: 'rejected' });
    expect(await codeOf(wheel.batches.reject('acme', batch!.id, 'key-1'))).toBe('BATCH_DECIDED');
    expect(await flywheel.pass()).toMatchObject({ proposed: 0 });
    await wheel.add(2);
    expect(await flywheel.pass()).toMatchObject({ proposed: 0 });
    await wheel.add(1);
    expect(await flywheel.pass()).toMatchObject({ proposed: 1 });
  });

  test('P6 a batch is its tenant’s; nothing is proposed to who may not train', async () => {
    await wheel.add(3);
    await wheel.add(3, 'other');
    expect(await wheel.flywheel().pass()).toMatchObject({ proposed: 1 });
    const [batch] = (await wheel.batches.list('acme', { limit: 9 })).items;
    expect((await wheel.batches.list('other', { limit: 9 })).items).toEqual([]);
    expect(await codeOf(wheel.batches.get('other', batch!.id))).toBe('BATCH_NOT_FOUND');
    expect(await codeOf(wheel.batches.approve('other', batch!.id, 'k'))).toBe('BATCH_NOT_FOUND');
    expect(await codeOf(wheel.batches.reject('other', batch!.id, 'k'))).toBe('BATCH_NOT_FOUND');
    expect(await wheel.batches.get('acme', batch!.id)).toMatchObject({ state: 'proposed' });
  });
}

function settling(wheel: Wheel): void {
  test('training.auto: the version is there after the pass', async () => {
    await wheel.add(3);
    await wheel.flywheel({ auto: true }).pass();
    expect((await wheel.batches.list('acme', { limit: 9 })).items).toMatchObject([
      { state: 'frozen', decidedBy: 'auto' },
    ]);
    expect(await wheel.pairs.getDataset('acme', 'batch')).toMatchObject({ count: 3, author: 'auto' });
  });

  test('approved by a process that died: the next pass makes the version, and only one', async () => {
    await wheel.add(3);
    await wheel.flywheel().pass();
    await wheel.store.write(tester, (tx) =>
      tx.updateTable('arena_batches').set({ state: 'approved', decided_by: 'key-2', decided_at: 1 }).execute(),
    );
    await Promise.all([wheel.flywheel().pass(), wheel.flywheel().pass()]);
    await wheel.flywheel().pass();
    expect((await wheel.pairs.listDatasets('acme', { limit: 9 })).items).toMatchObject([{ count: 3, author: 'key-2' }]);
    expect((await wheel.batches.list('acme', { limit: 9 })).items).toMatchObject([{ state: 'frozen' }]);
  });

  test('pairs that went elsewhere meanwhile: the batch has failed, and says why', async () => {
    await wheel.add(3);
    await wheel.flywheel().pass();
    await wheel.freeze('byhand');
    const [batch] = (await wheel.batches.list('acme', { limit: 9 })).items;
    expect(await codeOf(wheel.batches.approve('acme', batch!.id, 'k'))).toBe('DATASET_EMPTY');
    expect(await wheel.batches.get('acme', batch!.id)).toMatchObject({ state: 'failed', fault: 'DATASET_EMPTY' });
    expect(await wheel.flywheel().pass()).toMatchObject({ proposed: 0 });
  });
}

function stages(wheel: Wheel): void {
  const counts = async () => (await wheel.pairs.stats('acme')).stages;
  const stage = (name: 'training' | 'completed' | 'failed') =>
    wheel.pairs.stageDataset('acme', 'code', { stage: name });

  test('pending, processed, exported, training, completed: in this order and no other', async () => {
    await wheel.add(2);
    await wheel.freeze('code');
    expect(await counts()).toMatchObject({ pending: 0, processed: 2 });
    expect(await codeOf(stage('training'))).toBe('DATASET_STAGE');
    await wheel.pairs.exportDataset('acme', 'code', 'dpo', () => {});
    expect(await counts()).toMatchObject({ exported: 2 });
    expect(await codeOf(stage('completed'))).toBe('DATASET_STAGE');
    expect(await stage('training')).toMatchObject({ stage: 'training' });
    expect(await counts()).toMatchObject({ training: 2 });
    expect(await stage('failed')).toMatchObject({ stage: 'failed' });
    await stage('training');
    expect(await stage('completed')).toMatchObject({ stage: 'completed' });
    expect(await counts()).toMatchObject({ completed: 2 });
    // Exported again, and in a further version: what was learnt stays learnt.
    await wheel.pairs.exportDataset('acme', 'code', 'dpo', () => {});
    await wheel.freeze('again');
    expect(await counts()).toMatchObject({ completed: 2 });
    expect(await codeOf(wheel.pairs.stageDataset('other', 'code', { stage: 'training' }))).toBe('DATASET_NOT_FOUND');
  });

  test('an export that broke off exported nothing', async () => {
    await wheel.add(1);
    await wheel.freeze('code');
    const away = () => Promise.reject(new Error('the reader left'));
    await wheel.pairs.exportDataset('acme', 'code', 'dpo', away).catch(() => {});
    expect(await wheel.pairs.getDataset('acme', 'code')).toMatchObject({ stage: 'processed' });
  });

  test('a version that lost a row before it left sets the others free; --pending takes what is in none', async () => {
    await wheel.add(3);
    await wheel.freeze('code');
    await wheel.add(1);
    expect((await wheel.freeze('fresh', { pending: true })).count).toBe(1);
    const code = await wheel.idsOf('code');
    await wheel.pairs.remove('acme', { id: code[0] ?? '' });
    expect(await counts()).toMatchObject({ pending: 2, processed: 1 });
    expect((await wheel.freeze('rest', { pending: true })).count).toBe(2);
  });
}

function suite(name: string, openUrl: () => Promise<string>): void {
  describe(name, () => {
    const wheel = new Wheel(async () => openStore({ url: await openUrl() }));
    beforeAll(() => wheel.open(), 60_000);
    afterAll(() => wheel.store?.[Symbol.asyncDispose]());
    beforeEach(() => wheel.empty());
    for (const part of [harvesting, turning, proposing, settling, stages]) part(wheel);
  });
}

onBothEngines(suite);
