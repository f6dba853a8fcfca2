import { ApiError } from '@labmesh/wire/errors';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { depthMax, scanBody, spliceBody } from './scan-body.ts';

const scan = (text: string) => scanBody(Buffer.from(text));
const codeOf = (text: string): string => {
  try {
    scan(text);
    return 'ok';
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code;
  }
};
const spliced = (text: string, edit: { model?: string; includeUsage: boolean }) =>
  Buffer.concat(spliceBody(scan(text), edit)).toString();

describe('scanBody', () => {
  test('finds model, stream and stream_options wherever they stand', () => {
    const found = scan(
      ' {"messages":[{"model":"inner","stream":true}],"stream" : true , "stream_options":{"include_usage":false},"model":"a\\u0062"} ',
    );
    expect(found).toMatchObject({ model: 'ab', stream: true, keys: 4 });
    expect(found.streamOptions?.includeUsage?.value).toBe(false);
  });

  test('agrees with JSON.parse on what is JSON', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.integer({ min: 0, max: 40 }),
        fc.constantFrom('', ',', '}', '"', '\\', '1', '-', '\u0001', 'e'),
        (json, at, put) => {
          const text = `{"k":${json.slice(0, at)}${put}${json.slice(at)}}`;
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          expect(codeOf(text) === 'ok').toBe(valid);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('bytes of any kind give a result or an ApiError', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom('', '{', '{"model":', '{"model":"', '{"stream_options":{'),
        (bytes, start) => {
          try {
            scanBody(Buffer.concat([Buffer.from(start), bytes]));
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
          }
        },
      ),
    );
  });

  for (const [text, code] of [
    ['', 'invalid_json'],
    ['[]', 'invalid_json'],
    ['{"model":"m"', 'invalid_json'],
    ['{"model":"m"}x', 'invalid_json'],
    ['{"a":01}', 'invalid_json'],
    ['{"a":"\n"}', 'invalid_json'],
    ['{"a":"\\x"}', 'invalid_json'],
    ['{"model":"a","model":"b"}', 'duplicate_field'],
    ['{"model":"a","mod\\u0065l":"b"}', 'duplicate_field'],
    ['{"stream_options":{"include_usage":true,"include_usage":false}}', 'duplicate_field'],
    ['{"model":1}', 'invalid_type'],
    ['{"model":null}', 'invalid_type'],
    ['{"stream":"yes"}', 'invalid_type'],
    ['{"stream_options":[]}', 'invalid_type'],
    ['{"stream_options":{"include_usage":1}}', 'invalid_type'],
    [`{"a":${'['.repeat(depthMax)}${']'.repeat(depthMax)}}`, 'too_deep'],
    [`{"a":${'['.repeat(depthMax - 1)}${']'.repeat(depthMax - 1)}}`, 'ok'],
    ['{"stream":null,"stream_options":null}', 'ok'],
    ['{"verification":{},"verification":{}}', 'duplicate_field'],
    ['{"verification":{},"verific\\u0061tion":null}', 'duplicate_field'],
    ['{"verification":}', 'invalid_json'],
  ] as const) {
    test(`${text.slice(0, 60) || 'nothing'} is ${code}`, () => expect(codeOf(text)).toBe(code));
  }

  test('the message says where', () => {
    expect(() => scan('{"model":"m",}')).toThrow('at byte 13');
  });
});

describe('spliceBody', () => {
  test('replaces only the bytes of model: numbers, key order and spelling stay', () => {
    const text = '{"10":1, "2":9007199254740993, "x":1.0,"y":1e400, "model" : "alias","é":"\\u00e9"}';
    expect(spliced(text, { model: 'real/m"x', includeUsage: false })).toBe(text.replace('"alias"', '"real/m\\"x"'));
    expect(spliced(text, { model: 'alias', includeUsage: false })).toBe(text);
  });

  for (const [text, wanted] of [
    ['{"stream":true}', '{"stream":true,"stream_options":{"include_usage":true}}'],
    ['{ }', '{ "stream_options":{"include_usage":true}}'],
    ['{"stream_options":null}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":{}}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":{ "a":1 }}', '{"stream_options":{ "a":1 ,"include_usage":true}}'],
    ['{"stream_options":{"include_usage":false,"a":1}}', '{"stream_options":{"include_usage":true,"a":1}}'],
    ['{"stream_options":{"include_usage":true}}', '{"stream_options":{"include_usage":true}}'],
  ] as const) {
    test(`${text} asks for usage`, () => expect(spliced(text, { includeUsage: true })).toBe(wanted));
  }

  test('a model that is missing is added, also to an empty object', () => {
    expect(spliced('{}', { model: 'm', includeUsage: true })).toBe(
      '{"model":"m","stream_options":{"include_usage":true}}',
    );
    expect(spliced('{"a":1}', { model: 'm', includeUsage: false })).toBe('{"a":1,"model":"m"}');
  });

  for (const [text, wanted] of [
    ['{"verification":{"mode":"audit"}}', '{}'],
    ['{ "verification" : 1 , "a":1.0}', '{  "a":1.0}'],
    ['{"a":1.0 , "verification":{"x":"}"} }', '{"a":1.0  }'],
    ['{"a":1,"verification":null,"b":[{"verification":1}]}', '{"a":1,"b":[{"verification":1}]}'],
    ['{"a":1,"verific\\u0061tion":{},"b":2}', '{"a":1,"b":2}'],
  ] as const) {
    test(`${text} goes on without its verification`, () => expect(spliced(text, { includeUsage: false })).toBe(wanted));
  }

  test('wherever verification stands, the rest is the same JSON with what was asked for', () => {
    const space = fc.constantFrom('', ' ', '\n\t');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('a', 'b', 'model', 'stream_options'), { maxLength: 3 }),
        fc.nat(3),
        fc.json({ maxDepth: 2 }),
        fc.array(space, { minLength: 4, maxLength: 4 }),
        fc.boolean(),
        (names, at, block, [s0, s1, s2, s3], includeUsage) => {
          const value = (name: string) => (name === 'model' ? '"alias"' : name === 'stream_options' ? '{}' : '1.0');
          const members = names.map((name) => `"${name}"${s0}:${s1}${value(name)}`);
          const others = JSON.parse(`{${members.join(',')}}`) as Record<string, unknown>;
          members.splice(Math.min(at, members.length), 0, `"verification"${s1}:${s0}${block}`);
          const text = `{${s2}${members.join(`${s3},${s2}`)}${s1}}`;
          const wanted = { ...others, model: 'real', ...(includeUsage && { stream_options: { include_usage: true } }) };
          expect(JSON.parse(spliced(text, { model: 'real', includeUsage }))).toEqual(wanted);
          const { start, end } = scan(text).verification ?? { start: 0, end: 0 };
          expect(Buffer.from(text).toString('utf8', start, end)).toBe(block.trim());
        },
      ),
    );
  });

  test('any body keeps every other byte', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.boolean(), (rest, model, stream) => {
        const { model: _, stream: __, stream_options: ___, ...others } = rest;
        const before = JSON.stringify({ ...others, model: 'alias', stream });
        const after = spliced(before, { model, includeUsage: stream });
        const wanted = { ...others, model, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) };
        expect(JSON.parse(after)).toEqual(JSON.parse(JSON.stringify(wanted)));
        expect(after.startsWith(before.slice(0, before.lastIndexOf('"model":"alias"')))).toBe(true);
      }),
    );
  });
});
