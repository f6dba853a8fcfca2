import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import { systemClock } from '@labmesh/kit/clock';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { Meter } from './meter.ts';

let folder: string;
let store: Store;
let errors: unknown[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-usage-'));
  store = await openStore({ url: 'sqlite::memory:' });
  errors = [];
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const open = (over: Partial<Parameters<typeof Meter.open>[0]> = {}) =>
  Meter.open({ store, folder, clock: systemClock, onError: (error) => errors.push(error), ...over });
const outcome = (promptTokens: number, over: Partial<RelayOutcome> = {}) =>
  ({
    status: 200,
    usage: { promptTokens, completionTokens: 2, cachedTokens: 1, estimated: false },
    ...over,
  }) as RelayOutcome;
const counts = (requests: number, promptTokens: number, more = {}) => ({
  requests,
  errors: 0,
  promptTokens,
  completionTokens: 2 * requests,
  cachedTokens: requests,
  estimated: 0,
  ...more,
});

describe('usage in the store', () => {
  test('sums by key and by model; those of several replicas are one, and outlive them', async () => {
    {
      await using one = await open();
      await using two = await open();
      one.book('k1', 'small', outcome(10));
      two.book('k1', 'small', outcome(5));
      two.book('k1', 'large', outcome(7));
      one.book('k2', 'large', outcome(1, { status: 502 }));
      await one.by('key');
      expect(await two.by('key')).toEqual([
        { id: 'k1', ...counts(3, 22) },
        { id: 'k2', ...counts(1, 1, { errors: 1 }) },
      ]);
      one.book('k2', 'small', outcome(4));
    }
    await using later = await open();
    expect(await later.by('model')).toEqual([
      { id: 'large', ...counts(2, 8, { errors: 1 }) },
      { id: 'small', ...counts(3, 19) },
    ]);
  });

  test('a store that is away loses nothing and counts nothing twice', async () => {
    let isAway = true;
    const shaky = new Proxy(store, {
      get: (target, name) => {
        if (name === 'write' && isAway) return () => Promise.reject(new Error('away'));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
    await using meter = await open({ store: shaky });
    meter.book('k1', 'm', outcome(1));
    expect(await thrower(meter.by('key'))).toThrow('away');
    meter.book('k1', 'm', outcome(2));
    expect(await thrower(meter.by('key'))).toThrow('away');
    isAway = false;
    const [first, second] = await Promise.all([meter.by('key'), meter.by('key')]);
    expect(first).toEqual([{ id: 'k1', ...counts(2, 3) }]);
    expect(second).toEqual(first);
  });

  test('more pairs than fit wait under one name of their key, and none is lost', async () => {
    await using meter = await open();
    for (let n = 0; n < 10_050; n++) meter.book('k1', `m${n}`, outcome(1));
    expect(await meter.by('key')).toEqual([{ id: 'k1', ...counts(10_050, 10_050) }]);
    expect((await meter.by('model')).find(({ id }) => id === '_other')).toMatchObject({ requests: 50 });
  });
});

describe('usage.json of an older version', () => {
  const path = () => join(folder, 'usage.json');
  const row = { key: 'k1', model: 'm', requests: 3, errors: 1, promptTokens: 30, completionTokens: 6, cachedTokens: 3 };
  const write = () => writeFileSync(path(), JSON.stringify({ version: 1, rows: [{ ...row, estimated: 2 }] }));

  test('is added once, also when it was killed before the file had its new name', async () => {
    write();
    for (let n = 0; n < 2; n++) {
      await using meter = await open();
      expect(await meter.by('key')).toEqual([{ id: 'k1', ...counts(3, 30, { errors: 1, estimated: 2 }) }]);
      expect([existsSync(path()), existsSync(`${path()}.imported`)]).toEqual([false, true]);
      renameSync(`${path()}.imported`, path());
    }
  });

  test('is added to what other replicas counted; a damaged one is refused', async () => {
    {
      await using meter = await open();
      meter.book('k1', 'm', outcome(10));
    }
    write();
    await using meter = await open();
    expect(await meter.by('key')).toEqual([{ id: 'k1', ...counts(4, 40, { errors: 1, estimated: 2 }) }]);
    for (const text of ['{', '{"version":1,"rows":[{"key":"k"}]}']) {
      writeFileSync(path(), text);
      expect(await thrower(open())).toThrow('damaged');
    }
  });
});
