import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Contamination, protectedCharsMost } from './contamination.ts';

const words = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `word${from + at}`);
const user = (content: string) => [{ role: 'user', content }];
const text = (list: readonly string[]) => list.join(' ');

test('13 words in a row, 12 are chance', async () => {
  const held = await Contamination.of([text(words(30))]);
  expect(held.has(user(text([...words(13, 9), 'end'])))).toBe(true);
  expect(held.has(user(text(['start', ...words(13, 17)])))).toBe(true);
  expect(held.has(user(text([...words(12, 9), 'other', ...words(12, 3)])))).toBe(false);
  expect(held.has(user(''))).toBe(false);
});

test('layout, case and marks hide nothing', async () => {
  const held = await Contamination.of([text(words(13))]);
  expect(held.has(user(words(13).join(' --\n')))).toBe(true);
  expect(held.has(user(text(words(13)).toUpperCase()))).toBe(true);
  expect(held.has(user(text(words(13)).replaceAll('word', 'ｗｏｒｄ')))).toBe(true);
});

test('parts and arguments of tool calls are looked at too', async () => {
  const held = await Contamination.of([text(words(13))]);
  const call = { function: { name: 'f', arguments: JSON.stringify(words(13)) } };
  expect(held.has([{ role: 'assistant', content: null, tool_calls: [call] }])).toBe(true);
  const parts = [{ type: 'image' }, { type: 'text', text: text(words(13)) }];
  expect(held.has([{ role: 'user', content: parts }])).toBe(true);
});

test('a short text counts when it is the whole message; below five words it is chance', async () => {
  const held = await Contamination.of(['write a function that adds', '5', '[1, 2, 3]']);
  expect(held.has(user('Write a function that adds!'))).toBe(true);
  expect(held.has(user('please write a function that adds'))).toBe(false);
  expect(held.has(user('5'))).toBe(false);
  expect(held.has(user('1 2 3'))).toBe(false);
});

test('protected texts are bounded', async () => {
  const tooMuch = Array.from({ length: 65 }, () => 'x'.repeat(protectedCharsMost / 64));
  const made = await Contamination.of(tooMuch).catch((error: { code: string }) => error.code);
  expect(made).toBe('DATASET_TOO_LARGE');
});

test('a message that quotes a protected text is always found', async () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
  await fc.assert(
    fc.asyncProperty(
      fc.array(word, { minLength: 13, maxLength: 40 }),
      fc.array(word),
      fc.array(word),
      async (secret, before, after) => {
        const held = await Contamination.of(['unlike', text(secret), text(words(20))]);
        expect(held.has(user(text([...before, ...secret, ...after])))).toBe(true);
      },
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string()), fc.string(), async (held, said) => {
      const found = (await Contamination.of(held)).has(user(said));
      if (held.length === 0) expect(found).toBe(false);
    }),
  );
});
