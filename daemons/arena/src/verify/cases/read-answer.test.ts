import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readAnswer, readOutput } from './read-answer.ts';

const nonce = '0123456789abcdef0123456789abcdef';
const read = (text: string) => readAnswer(Buffer.from(text).toString('base64'), nonce);
const forged = { fault: 'forged', text: '' };

describe('an answer', () => {
  test('is one line that begins with the nonce of its case', () => {
    expect(read(`${nonce} {"value":[1,{"$f":"nan"}]}\n`)).toEqual({ value: [1, { $f: 'nan' }] });
    expect(read(`${nonce} {"value":null}\n`)).toEqual({ value: null });
    expect(read(`${nonce} {"fault":"raised","text":"E"}\n`)).toEqual({ fault: 'raised', text: 'E' });
    expect(read('')).toEqual({ fault: 'no_result', text: '' });
  });

  const others: [string, string][] = [
    ['another nonce', `${'f'.repeat(32)} {"value":1}\n`],
    ['no nonce', '{"value":1}\n'],
    ['no line end', `${nonce} {"value":1}`],
    ['two answers', `${nonce} {"value":1}\n${nonce} {"value":1}\n`],
    ['something before', `\n${nonce} {"value":1}\n`],
    ['something after', `${nonce} {"value":1}\nPASS\n`],
    ['no JSON', `${nonce} {"value":\n`],
    ['no value', `${nonce} {}\n`],
    ['a verdict beside it', `${nonce} {"value":1,"passed":true}\n`],
    ['both', `${nonce} {"value":1,"fault":"raised","text":""}\n`],
    ['a fault that is none', `${nonce} {"fault":"passed","text":""}\n`],
    ['a form that is none', `${nonce} {"value":{"$f":"zero"}}\n`],
    ['a number beyond a double', `${nonce} {"value":[1e999]}\n`],
    ['a value nested too deep', `${nonce} {"value":${'['.repeat(80)}${']'.repeat(80)}}\n`],
    ['brackets without end', `${nonce} ${'['.repeat(900_000)}\n`],
  ];
  test.each(others)('is not: %s', (_, text) => expect(read(text)).toEqual(forged as never));

  test('is no bytes beyond UTF-8', () => {
    expect(readAnswer(Buffer.from([0xff, 0xfe]).toString('base64'), nonce)).toEqual(forged as never);
  });

  test('any text is read or refused', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `${nonce} ${text}\n`),
      fc.json().map((text) => `${nonce} {"value":${text}}\n`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const answer = read(text);
        expect('value' in answer || 'fault' in answer).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

test('the output of a script is text, or JSON where something else is expected', () => {
  const out = (text: string, expected: string | number | object) =>
    readOutput(Buffer.from(text).toString('base64'), expected as never);
  expect(out('a b\n\n', 'x')).toEqual({ value: 'a b' });
  expect(out('', 'x')).toEqual({ value: '' });
  expect(out(' 7\n', 7)).toEqual({ value: 7 });
  expect(out('{"a":[1]}\n', {})).toEqual({ value: { a: [1] } });
  for (const text of ['PASS', '', '7 8', '{"$f":"x"}', '['.repeat(500_000)]) {
    expect(out(text, 7)).toEqual({ fault: 'not_plain', text: '' });
  }
});
