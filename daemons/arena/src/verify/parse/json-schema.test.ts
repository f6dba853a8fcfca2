import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Candidate } from '../../contract/candidate.ts';
import { openFake } from '../testing/open-fake.ts';
import { sampleCandidate } from '../testing/sample-candidate.ts';
import { answeringRunner, emptyRunner } from '../testing/sample-result.ts';
import { wasmRunner } from '../testing/wasm-runner.ts';
import { verifyDefaults } from '../verify-settings.ts';
import { jsonSchema } from './json-schema.ts';

const runner = wasmRunner();
async function verdictOf(candidate: Candidate, config?: unknown, on = runner as typeof emptyRunner) {
  const settings = { ...verifyDefaults, errorRetries: 0, verifiers: { json_schema: { config } } };
  const { verify, options } = openFake([jsonSchema], { settings, runner: on });
  const verdict = (await verify([candidate], options))[0]?.results[0];
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}
const fence = (...texts: string[]) => texts.map((text) => `\`\`\`json\n${text}\n\`\`\``).join('\n');
const against = (expectedSchema: unknown, ...texts: string[]) =>
  verdictOf(sampleCandidate(fence(...texts), { expectedSchema }));

describe('which JSON is looked at (V7, V9)', () => {
  test('none: skipped, with a name when a schema waits for it', async () => {
    expect(await verdictOf(sampleCandidate('hi {"a":1}'))).toMatchObject({ status: 'skipped', code: null });
    expect(await verdictOf(sampleCandidate('hi', { expectedSchema: {} }))).toMatchObject({
      status: 'skipped',
      code: 'NO_JSON',
    });
  });
  test('tagged blocks always; untagged ones only with a schema; an answer that is JSON as a whole with one too', async () => {
    expect(await verdictOf(sampleCandidate(fence('{"a":')))).toMatchObject({
      status: 'failed',
      code: 'JSON_INVALID',
      message: 'block 0 (line 1) is no JSON: not JSON',
      details: { failures: [{ block_index: 0, line: 1, error: 'not JSON' }] },
    });
    expect(await verdictOf(sampleCandidate('```\n{"a":\n```'))).toMatchObject({ status: 'skipped' });
    const expectedSchema = { type: 'object' };
    expect(await verdictOf(sampleCandidate('```\n[1]\n```', { expectedSchema }))).toMatchObject({ status: 'failed' });
    expect(await verdictOf(sampleCandidate(' {"a":1}\n', { expectedSchema }))).toMatchObject({ status: 'passed' });
    expect(await verdictOf(sampleCandidate('{"a":1', { expectedSchema }))).toMatchObject({ code: 'JSON_INVALID' });
  });
  test('without a schema a pass proves nothing for a certificate', async () => {
    const verdict = await verdictOf(sampleCandidate(fence('{}', '[1]')));
    expect(verdict).toMatchObject({ status: 'passed', level: null });
    expect(verdict.grants).toBeUndefined();
  });
  test('extract_inline: objects and arrays in prose', async () => {
    const inline = (text: string) =>
      verdictOf(sampleCandidate(text, { expectedSchema: { type: 'object' } }), { extract_inline: true });
    expect(await inline('so {braces} and\nthen {"a":"}"} ok')).toMatchObject({
      status: 'passed',
      details: { blocks: [{ block_index: null, line: 2 }] },
    });
    expect(await inline('see [1] there')).toMatchObject({ status: 'failed' });
    expect(await inline('{"a":1} and more')).toMatchObject({ status: 'passed' });
    expect(await inline(`x ${'{"'.repeat(49_000)}`)).toMatchObject({ code: 'TOO_MANY_BRACKETS' });
    expect(await inline('{'.repeat(90_000))).toMatchObject({ code: 'NESTED_TOO_DEEP' });
  });
  test('what parsers read differently is no JSON', async () => {
    for (const text of ['{"a":1,"a":"x"}', '{"a":1,"\\u0061":2}', '["\\ud800"]', '[1e999]']) {
      expect(await against({}, text)).toMatchObject({ status: 'failed', code: 'JSON_INVALID' });
    }
  });
  test('schemas.default is used when the request has none', async () => {
    const config = { schemas: { default: { type: 'array' } } };
    expect(await verdictOf(sampleCandidate(fence('{}')), config)).toMatchObject({ status: 'failed' });
    expect(await verdictOf(sampleCandidate(fence('{}'), { expectedSchema: true }), config)).toMatchObject({
      status: 'passed',
    });
  });
  test('nesting beyond 64 fails before anything parses it', async () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(await verdictOf(sampleCandidate(fence(nested(64))))).toMatchObject({ status: 'passed' });
    expect(await verdictOf(sampleCandidate(fence(nested(65))))).toMatchObject({
      status: 'failed',
      code: 'NESTED_TOO_DEEP',
    });
    expect(await verdictOf(sampleCandidate(fence(`"${'['.repeat(100)}"`)))).toMatchObject({ status: 'passed' });
  });
});

describe('JSON Schema 2020-12', () => {
  test.each<[unknown, string, boolean]>([
    [{ type: 'number' }, 'true', false],
    [{ type: 'integer' }, 'false', false],
    [{ enum: [1] }, 'true', false],
    [{ const: 0 }, 'false', false],
    [{ type: 'integer' }, '1.0', true],
    [{ type: 'boolean' }, '1', false],
    [{ prefixItems: [{ type: 'string' }], items: false }, '["a"]', true],
    [{ prefixItems: [{ type: 'string' }], items: false }, '["a",1]', false],
    [{ $defs: { n: { type: 'number' } }, properties: { a: { $ref: '#/$defs/n' } } }, '{"a":"x"}', false],
    [{ $defs: { 'a/b~c': { type: 'number' } }, $ref: '#/$defs/a~1b~0c' }, '"x"', false],
    [{ $defs: { n: { $anchor: 'n', type: 'number' } }, $ref: '#n' }, '"x"', false],
    [{ properties: { a: true, b: { $ref: '#' } }, unevaluatedProperties: false }, '{"b":{"b":{"c":1}}}', false],
    [{ dependentRequired: { a: ['b'] } }, '{"a":1}', false],
    [{ if: { required: ['a'] }, else: { required: ['b'] } }, '{"c":1}', false],
    [{ required: ['__proto__'] }, '{"__proto__":1}', true],
    [{ required: ['__proto__'] }, '{}', false],
    [{ required: ['toString'] }, '{}', false],
    [{ additionalProperties: false }, '{"__proto__":1}', false],
    [{ pattern: '^\\p{L}+$' }, '"é"', true],
    [{ pattern: '^a+$' }, '"b"', false],
    [{ patternProperties: { '^n_': { type: 'number' } } }, '{"n_a":"x"}', false],
    [{ minLength: 2 }, '"😀"', false],
    [{ multipleOf: 0.1 }, '0.3', true],
    [{ format: 'date' }, '"2024-02-30"', false],
    [{ uniqueItems: true }, '[{"a":1},{"a":1}]', false],
    [true, '1', true],
    [false, '1', false],
  ])('%j with %s is %p', async (schema, text, valid) => {
    expect((await against(schema, text)).status).toBe(valid ? 'passed' : 'failed');
  });
  test('a pass grants SCHEMA_OK and says the level; a failure says where', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/s',
      properties: { a: { type: 'number' } },
    };
    expect(await against(schema, '{"a":1}')).toMatchObject({
      status: 'passed',
      grants: ['SCHEMA_OK'],
      level: 'SANDBOX_L0_WASM',
    });
    expect(await against(schema, '{"a":1}', '{"a":true}')).toMatchObject({
      status: 'failed',
      code: 'SCHEMA_MISMATCH',
      message: 'block 1 (line 4) does not meet the schema: #/a Instance type "boolean" is invalid. Expected "number".',
      details: { failures: [{ block_index: 1, line: 4 }] },
    });
  });
});

describe('schemas that cannot be used are errors: nothing is said of the answer', () => {
  const deep = JSON.parse(`${'{"not":'.repeat(70)}{}${'}'.repeat(70)}`) as unknown;
  test.each<[string, unknown]>([
    ['SCHEMA_REMOTE_REF', { $ref: 'https://example.com/x.json' }],
    ['SCHEMA_REMOTE_REF', { properties: { a: { $ref: 'other.json#/a' } } }],
    ['SCHEMA_REMOTE_REF', { $ref: 'file:///etc/passwd' }],
    ['SCHEMA_UNSUPPORTED', { $dynamicRef: '#x' }],
    ['SCHEMA_UNSUPPORTED', { $defs: { a: { $id: 'https://example.com/a' } } }],
    ['SCHEMA_INVALID', { $ref: '#/$defs/none' }],
    ['SCHEMA_INVALID', { required: 5 }],
    ['SCHEMA_INVALID', { properties: { a: { pattern: '(' } } }],
    ['SCHEMA_INVALID', 'text'],
    ['SCHEMA_INVALID', []],
    ['SCHEMA_TOO_LARGE', { enum: ['x'.repeat(300_000)] }],
    ['SCHEMA_TOO_LARGE', deep],
  ])('%s', async (code, schema) => {
    expect(await against(schema, '{"a":"x"}')).toMatchObject({ status: 'error', code });
  });
  test.each<[string, unknown, string]>([
    ['a pattern that backtracks for ever', { pattern: '^(a+)+$' }, `"${'a'.repeat(40)}b"`],
    ['a format that does', { format: 'url' }, `"http://${'a'.repeat(60)}!"`],
    [
      'references that multiply',
      {
        $defs: Object.fromEntries(
          Array.from({ length: 40 }, (_, index) => [
            `d${index}`,
            index === 39 ? {} : { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
          ]),
        ),
        $ref: '#/$defs/d0',
      },
      '1',
    ],
  ])('%s: SCHEMA_TIMEOUT', async (_name, schema, text) => {
    expect(await against(schema, text)).toMatchObject({ status: 'error', code: 'SCHEMA_TIMEOUT' });
  });
  test('a reference to itself ends', async () => {
    expect(await against({ $ref: '#' }, '1')).toMatchObject({ status: 'error' });
  });
});

describe('the sandbox', () => {
  const candidate = sampleCandidate(fence('{"a":1}'), { expectedSchema: {} });
  test('without a level it is an error, and no lower one is used', async () => {
    expect(await verdictOf(candidate, {}, emptyRunner)).toMatchObject({
      status: 'error',
      code: 'LEVEL_UNAVAILABLE',
      level: null,
    });
  });
  test.each([
    ['', 'no answer'],
    ['not json', 'no answer'],
    ['{"results":[]}', 'fewer results'],
    ['{"results":[{"valid":true,"problems":[]},{"valid":true,"problems":[]}]}', 'more results'],
    ['{"results":[{"valid":"yes","problems":[]}]}', 'another form'],
  ])('what says %s is believed nothing', async (text) => {
    const stdout = Buffer.from(text).toString('base64');
    expect(await verdictOf(candidate, {}, answeringRunner({ stdout }))).toMatchObject({
      status: 'error',
      code: 'SANDBOX_ERROR',
    });
  });
  test('no key of the answer becomes a prototype, and nothing of it runs', async () => {
    const hostile =
      '{"__proto__":{"valid":true},"constructor":{"prototype":{"x":1}},"a":"`);globalThis.x=1;//\\u2028"}';
    expect(await against({ properties: { a: { type: 'number' } } }, hostile)).toMatchObject({ status: 'failed' });
    expect(await against({ properties: { a: { type: 'string' } } }, hostile)).toMatchObject({ status: 'passed' });
  });
});

test('any JSON meets true, not false, and itself', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      const text = JSON.stringify(value);
      expect((await against(true, text)).status).toBe('passed');
      expect((await against(false, text)).status).toBe('failed');
      expect((await against({ const: JSON.parse(text) as unknown }, text)).status).toBe('passed');
    }),
    { numRuns: 25 },
  );
});
