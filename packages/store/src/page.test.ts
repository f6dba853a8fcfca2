import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import fc from 'fast-check';
import { openStore } from './open-store.ts';
import { cursorCharsMax, decodeCursor, encodeCursor, page, type PageKey } from './page.ts';

const tester = system('test');
const by: readonly PageKey[] = [
  { column: 'created_at', type: 'integer' },
  { column: 'id', type: 'text' },
];
const list = { list: 'servers by time', by };
const text = (max: number) => fc.string({ unit: 'grapheme', maxLength: max }).filter((one) => !one.includes('\0'));

/** What a decode of hostile text gives: values of the right types, or the one error. */
function decoded(cursor: string): unknown[] | 'refused' {
  try {
    return decodeCursor(list, cursor);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field: 'cursor' });
    return 'refused';
  }
}

describe('AP-3: cursors', () => {
  test('come back as they were given', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), text(40), (created_at, id) => {
        const cursor = encodeCursor(list, { created_at, id });
        return cursor.length <= cursorCharsMax && Bun.deepEquals(decodeCursor(list, cursor), [created_at, id]);
      }),
    );
  });

  test('a name of 253 characters and an id fit', () => {
    const named = { list: 'bindings by subject', by: [by[1] as PageKey, { column: 'name', type: 'text' } as const] };
    expect(encodeCursor(named, { id: 'i'.repeat(36), name: 'n'.repeat(253) }).length).toBeLessThan(cursorCharsMax);
  });

  test('of other lists, cut, long or made up are refused', () => {
    const cursor = encodeCursor(list, { created_at: 5, id: 'a' });
    expect(() => decodeCursor({ ...list, list: 'servers by name' }, cursor)).toThrow(FleetError);
    expect(() => decodeCursor({ ...list, by: by.slice(1) }, cursor)).toThrow(FleetError);
    for (const other of ['', cursor.slice(0, -2), `${cursor}=`, `${cursor} `, 'a'.repeat(cursorCharsMax + 1), '{}']) {
      expect([other, decoded(other)]).toEqual([other, 'refused']);
    }
  });

  test('no text gives another error or a value of another type', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constant('servers by time'), fc.string(), fc.integer());
    const made = fc.array(value, { maxLength: 4 }).map((one) => {
      const whole = ['servers by time', ...one];
      return Buffer.from(JSON.stringify(whole)).toString('base64url');
    });
    fc.assert(
      fc.property(fc.oneof(made, fc.string(), fc.base64String(), fc.string({ unit: 'binary' })), (cursor) => {
        const values = decoded(cursor);
        if (values === 'refused') return true;
        return values.length === 2 && Number.isSafeInteger(values[0]) && typeof values[1] === 'string';
      }),
      { numRuns: 2_000 },
    );
  });

  test('a row without its key is a mistake of ours', () => {
    expect(() => encodeCursor(list, { id: 'a' })).toThrow(TypeError);
    expect(() => encodeCursor(list, { created_at: null, id: 'a' })).toThrow(TypeError);
    expect(() => encodeCursor(list, { created_at: 1, id: 'é'.repeat(290) })).toThrow(TypeError);
  });
});

test('pages of any size tell the same rows', async () => {
  await using store = await openStore({ url: 'sqlite::memory:' });
  const event = { type: 't', resource: '', resource_id: '', details: '{}' };
  const rows = Array.from({ length: 40 }, (_, at) => ({ ...event, id: `${at}`, created_at: at % 5 }));
  await store.write(tester, (tx) => tx.insertInto('events').values(rows).execute());
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 50 }), fc.boolean(), async (limit, descending) => {
      const seen: string[] = [];
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const options = { ...list, limit, descending, cursor };
        const got = await store.read(tester, (db) => page(db.selectFrom('events').selectAll(), options));
        expect(got.items.length).toBeLessThanOrEqual(limit);
        seen.push(...got.items.map((item) => item.id));
        cursor = got.nextCursor;
      }
      const sorted = rows
        .toSorted((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1))
        .map((row) => row.id);
      expect(seen).toEqual(descending ? sorted.toReversed() : sorted);
    }),
    { numRuns: 20 },
  );
});
