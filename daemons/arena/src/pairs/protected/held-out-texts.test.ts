import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@labmesh/kit/log';
import fc from 'fast-check';
import { Contamination } from '../contamination.ts';
import { heldOutBytesMost, heldOutTexts, tellUnreadable } from './held-out-texts.ts';

const folder = mkdtempSync(join(tmpdir(), 'held-out-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const textsIn = (...paths: string[]) => Array.fromAsync(heldOutTexts(paths));

test('texts, JSON Lines of any form, and one JSON value', async () => {
  expect(await textsIn(write('a.txt', 'write add\n{no json\n'))).toEqual(['write add', '{no json', '']);
  const lines = [{ prompt: 'one', n: 1 }, { messages: [{ role: 'user', content: [{ text: 'two' }] }] }, 'three'];
  const found = await textsIn(write('b.jsonl', lines.map((line) => JSON.stringify(line)).join('\n')));
  expect(found.toSorted()).toEqual(['one', 'three', 'two', 'user']);
  expect((await textsIn(write('c.json', '[{"question":\n"four"},\n"five"]'))).toSorted()).toEqual(['five', 'four']);
});

test('what shares 13 words with one of them goes into no version', async () => {
  const words = Array.from({ length: 20 }, (_, at) => `word${at}`).join(' ');
  const held = await Contamination.of(heldOutTexts([write('d.jsonl', JSON.stringify({ prompt: words }))]));
  expect(held.has([{ role: 'user', content: `please: ${words}` }])).toBe(true);
  expect(held.has([{ role: 'user', content: 'something else' }])).toBe(false);
});

test('a file that is not there, or too large, is an error and never nothing', async () => {
  const large = write('large', '');
  truncateSync(large, heldOutBytesMost + 1);
  const logged: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) });
  for (const path of [join(folder, 'none'), large, folder]) {
    expect(await errorOf(textsIn(path))).toMatchObject({ code: 'HELD_OUT_UNREADABLE' });
    await tellUnreadable([path], log);
  }
  expect(logged).toHaveLength(3);
  await tellUnreadable([write('good', 'x')], log);
  expect(logged).toHaveLength(3);
});

test('whatever stands in a file, it is read to its end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
      const found = await textsIn(write('any', text));
      expect(found.every((one) => typeof one === 'string')).toBe(true);
    }),
    { numRuns: 50 },
  );
  const deep = write('deep', '['.repeat(5_000) + '"bottom"' + ']'.repeat(5_000));
  expect((await textsIn(deep)).join('')).toContain('bottom');
});
