import { expect, test } from 'bun:test';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { onBothStores } from '../../../../tests/harness/both-engines.ts';
import { putEngine, readEngine } from './engine-rows.ts';

const tester = system('engine rows test');

function suite(store: () => Store): void {
  const put = (engine: string, replayable: boolean | null, at: number, since = 0) =>
    store().write(tester, (tx) => putEngine(tx, { engine, replayable, at }, since));
  const read = (engine: string, since = 0) => store().read(tester, (db) => readEngine(db, engine, since));

  test('one finding an engine, the newest; nobody looked is not the same as nothing seen', async () => {
    expect(await read('one')).toBeUndefined();
    for (const [at, found] of [true, false, null].entries()) {
      await put('one', found, at);
      expect(await read('one')).toBe(found);
    }
    await put('two', true, 1_800_000_000_000);
    expect([await read('one'), await read('two')]).toEqual([null, true]);
  });

  test('what is too old is not told, and goes with the next finding', async () => {
    await put('old', true, 100);
    expect([await read('old', 100), await read('old', 101)]).toEqual([true, undefined]);
    await put('new', true, 300, 101);
    expect([await read('old'), await read('new')]).toEqual([undefined, true]);
  });
}

onBothStores(suite);
