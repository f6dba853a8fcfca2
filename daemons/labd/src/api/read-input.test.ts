import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations } from '@labmesh/wire/fleet/operations';
import fc from 'fast-check';
import { z } from 'zod';
import { codeOf } from '../login/testing/callers.ts';
import { parseInput, parseQuery, readJsonBody, readQuery } from './read-input.ts';

const fault = (work: () => unknown): FleetError => {
  try {
    work();
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error('it passed');
};
const request = (body: RequestInit['body'], type: string | undefined = 'application/json') =>
  new Request('https://labd/', {
    method: 'POST',
    body,
    ...(type !== undefined && { headers: { 'content-type': type } }),
  });

describe('parseInput', () => {
  const schema = z.object({ a: z.object({ b: z.int() }).strict(), list: z.array(z.string()).default([]) }).strict();
  test.each([
    [{ a: { b: 'x' } }, 'a.b'],
    [{ a: { b: 1, c: 2 } }, 'a.c'],
    [{ a: { b: 1 }, d: 1 }, 'd'],
    [{ a: { b: 1 }, list: ['x', 3] }, 'list.1'],
    [{}, 'a'],
  ])('names the first fault of %j', (input, field) => {
    expect(fault(() => parseInput(schema, input))).toMatchObject({ code: 'VALIDATION_FAILED', field });
  });

  test('whatever comes, it is an input or a VALIDATION_FAILED', () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        try {
          parseInput(schema, input);
        } catch (error) {
          expect((error as FleetError).code).toBe('VALIDATION_FAILED');
        }
      }),
    );
  });

  test('AP-5 a value that was sent is never in the text', () => {
    for (const { body } of fleetOperations as readonly FleetOperation[]) {
      if (body === undefined) continue;
      const sent = { token: 'lmj_secretvalue', password: 'secretvalue', csrPem: 'secretvalue', user: ['secretvalue'] };
      try {
        parseInput(body, sent);
      } catch (error) {
        expect((error as FleetError).message).not.toContain('secretvalue');
      }
    }
  });
});

describe('readQuery', () => {
  test('gives each pair once, and refuses a key that comes twice', () => {
    const key = fc.stringMatching(/^[a-z_$]{1,12}$/);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.string()), { selector: ([name]) => name }), (pairs) => {
        const url = new URL(`https://labd/?${new URLSearchParams(pairs).toString()}`);
        const found = readQuery(url);
        expect(Object.entries(found)).toHaveLength(pairs.length);
        for (const [name, value] of pairs) expect(found[name]).toBe(value.toWellFormed());
        const [first] = pairs;
        if (first === undefined) return;
        url.searchParams.append(first[0], 'again');
        expect(fault(() => readQuery(url)).field).toBe(first[0]);
      }),
    );
  });

  test('keys of every object are keys like others', () => {
    const found = readQuery(new URL('https://labd/?__proto__=a&constructor=b'));
    expect(Object.keys(found)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
  });

  const list = (fleetOperations as readonly FleetOperation[]).find(({ name }) => name === 'list-servers')!;
  test('a list with filters refuses what is none of them', () => {
    expect(fault(() => parseQuery(list, new URL('https://labd/?env=x'), 500)).field).toBe('env');
    expect(parseQuery(list, new URL('https://labd/?environment=x'), 500)).toMatchObject({
      environment: 'x',
      limit: 100,
    });
  });

  test.each([
    ['?limit=500', 40],
    ['?limit=41', 40],
    ['?limit=7', 7],
    ['', 40],
  ])('limits.page_max bounds a page: %j gets %i', (search, limit) => {
    expect(parseQuery(list, new URL(`https://labd/${search}`), 40)).toMatchObject({ limit });
  });
});

describe('readJsonBody', () => {
  test('AP-4 a body that does not come is waited for so long, and no longer', async () => {
    const slow = (more: boolean) => {
      let pulled = 0;
      return new ReadableStream<Uint8Array>({
        async pull(stream) {
          await Bun.sleep(5);
          if (more || pulled++ === 0) stream.enqueue(new TextEncoder().encode(' '));
          else await new Promise(() => undefined);
        },
      });
    };
    for (const more of [true, false]) {
      const failed = await readJsonBody(request(slow(more)), 1_000_000, 100).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: 'VALIDATION_FAILED', message: 'the body did not come within 0.1 s' });
    }
  });

  test('a NUL is refused before a database sees it; what only looks like one is not', async () => {
    for (const body of ['{"a":"x\\u0000y"}', '{"a":{"b":["\\u0000"]}}', '{"\\u0000":1}'])
      expect(await codeOf(readJsonBody(request(body, 'application/json'), 1_000))).toBe('VALIDATION_FAILED');
    expect(await readJsonBody(request('{"a":"\\\\u0000"}', 'application/json'), 1_000)).toEqual({ a: '\\u0000' });
    expect(fault(() => readQuery(new URL('https://x/?q=a%00')))).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  test('every JSON text comes back; nothing is {}', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        expect(await readJsonBody(request(text), 1_000_000)).toEqual(JSON.parse(text));
      }),
    );
    expect(await readJsonBody(request(''), 10)).toEqual({});
    expect(await readJsonBody(request(null, undefined), 10)).toEqual({});
  });

  test('bytes that are no JSON are refused, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const code = await codeOf(readJsonBody(request(Buffer.from(bytes)), 1_000));
        expect(['none', 'VALIDATION_FAILED']).toContain(code);
      }),
    );
    expect(await codeOf(readJsonBody(request(Buffer.from([0x22, 0xff, 0x22])), 10))).toBe('VALIDATION_FAILED');
  });

  test('AP-4 not one byte more is read than may be, however it comes', async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1_000;
        controller.enqueue(new Uint8Array(1_000).fill(32));
      },
    });
    expect(await codeOf(readJsonBody(request(endless), 10_000))).toBe('PAYLOAD_TOO_LARGE');
    expect(pulled).toBeLessThan(40_000);
    expect(await codeOf(readJsonBody(request('"aaaa"'), 6))).toBe('none');
    expect(await codeOf(readJsonBody(request('"aaaaa"'), 6))).toBe('PAYLOAD_TOO_LARGE');
  });
});
