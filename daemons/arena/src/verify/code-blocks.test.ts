import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CandidateFault } from './candidate-fault.ts';
import { codeBlocks } from './code-blocks.ts';
import { sampleCandidate } from './testing/sample-candidate.ts';

const blocksOf = (text: string, more = {}) => codeBlocks(sampleCandidate(text, more));
const plain = (text: string, more = {}) => blocksOf(text, more).map(({ language, code }) => [language, code]);
const faultOf = (text: string) => {
  try {
    blocksOf(text);
  } catch (error) {
    if (error instanceof CandidateFault) return error.code;
    throw error;
  }
  return undefined;
};

describe('fences as CommonMark has them', () => {
  test('backticks and tildes, longer fences around shorter ones', () => {
    expect(plain('```py\na\n```\n~~~js\nb\n~~~')).toEqual([
      ['python', 'a\n'],
      ['javascript', 'b\n'],
    ]);
    expect(plain('````md\n```py\na\n```\n````')).toEqual([['md', '```py\na\n```\n']]);
    expect(plain('~~~ts\n```\nx\n~~~')).toEqual([['typescript', '```\nx\n']]);
  });
  test('an open fence goes to the end of what holds it', () => {
    expect(plain('```sh\nls')).toEqual([['bash', 'ls']]);
    expect(plain('> ```sh\n> ls\n\nafter')).toEqual([['bash', 'ls\n']]);
  });
  test('in quotes and lists, with the indent taken away', () => {
    expect(plain('1. do\n\n   ```yml\n   a:\n     - 1\n   ```\n')).toEqual([['yaml', 'a:\n  - 1\n']]);
    expect(plain('> - ~~~toml\n>   a = 1\n>   ~~~')).toEqual([['toml', 'a = 1\n']]);
  });
  test('what looks like a fence and is none', () => {
    expect(plain('    ```py\n    a\n    ```')).toEqual([]);
    expect(plain('``` a`b\nx\n')).toEqual([]);
    expect(plain('text ```py\na\n```')).toEqual([[null, '']]);
    expect(plain('``py\na\n``')).toEqual([]);
    expect(plain('<div>\n```py\na\n```\n</div>')).toEqual([]);
    expect(plain('<!-- \n```py\na\n```\n-->')).toEqual([]);
  });
  test('lines count from one and name the opening fence', () => {
    expect(blocksOf('a\n\n```\nx\n```\n\n~~~\ny\n~~~').map(({ index, line }) => [index, line])).toEqual([
      [0, 3],
      [1, 7],
    ]);
  });
  test('a fence between parts of one answer is found where it stands', () => {
    const content = [
      { type: 'text', text: 'see' },
      { type: 'text', text: '```py\na\n```' },
      { type: 'image_url', image_url: { url: 'x' } },
    ];
    expect(codeBlocks(sampleCandidate({ content })).map(({ code }) => code)).toEqual(['a\n']);
  });
});

describe('tags', () => {
  test.each([
    ['Python', 'python'],
    ['python3 title=x', 'python'],
    ['{.python .numberLines}', 'python'],
    ['python:main.py', 'python'],
    ['py,ignore', 'python'],
    ['NODE', 'javascript'],
    ['shell', 'bash'],
    ['c++', 'c++'],
    ['p&#121;thon', 'python'],
    ['pyth\\on', 'pyth\\on'],
    ['constructor', 'constructor'],
    ['__proto__', '__proto__'],
  ])('%s is %s', (info, language) => {
    expect(blocksOf(`~~~${info}\nx\n~~~`)[0]?.language).toBe(language);
  });
  test('untagged: nothing, what metadata.language names, JSON when a schema is expected', () => {
    expect(plain('```\nx\n```')).toEqual([[null, 'x\n']]);
    expect(plain('```\nx\n```', { metadata: { language: 'Py' } })).toEqual([['python', 'x\n']]);
    expect(plain('```\nx\n```', { expectedSchema: {} })).toEqual([['json', 'x\n']]);
    expect(plain('```\nx\n```', { expectedSchema: {}, metadata: { language: 'python' } })).toEqual([['python', 'x\n']]);
    expect(plain('```rb\nx\n```', { metadata: { language: 'python' } })).toEqual([['rb', 'x\n']]);
    expect(plain('```\nx\n```', { metadata: { language: 7 } })).toEqual([[null, 'x\n']]);
  });
});

describe('limits', () => {
  test('100,000 characters, and no more', () => {
    expect(faultOf('a'.repeat(100_000))).toBeUndefined();
    expect(faultOf('a'.repeat(100_001))).toBe('ANSWER_TOO_LONG');
  });
  test('64 blocks, and no more', () => {
    expect(blocksOf('```\n```\n'.repeat(64))).toHaveLength(64);
    expect(faultOf('```\n```\n'.repeat(65))).toBe('TOO_MANY_BLOCKS');
  });
  test('64 quotes or list items around a block, and no more', () => {
    const nested = (mark: string, times: number) => `${mark.repeat(times)}\`\`\`py\n`;
    for (const mark of ['> ', '>', '1. ']) {
      expect(blocksOf(nested(mark, 64))).toHaveLength(1);
      expect(faultOf(nested(mark, 65))).toBe('NESTED_TOO_DEEP');
      expect(faultOf(nested(mark, 20_000))).toBe('NESTED_TOO_DEEP');
    }
    expect(faultOf(nested('> - ', 33))).toBe('NESTED_TOO_DEEP');
  });
});

// Each of these takes some parser quadratic time; here all 100,000 characters are read well within the test's own limit.
describe('hostile texts end', () => {
  const size = 100_000;
  test.each(
    Object.entries({
      'unclosed fences': '~~~ x\n',
      'one run of backticks': '`',
      'link definitions': '[a]: b\n',
      'open brackets': '[a\n',
      'open tags': '<a a=" ',
      'open comments': '<!--\n',
      'headings underlined': 'a\n=\n',
      'lists in lists': '- 1. ',
      'empty items': '-\n',
      entities: '```&#121;',
      'spaces of tabs': '\t',
      nul: '\u0000',
      'lone surrogates': '\ud800',
      'carriage returns': '\r',
    }),
  )('%s', (_name, unit) => {
    const text = unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
    expect(['ok', 'NESTED_TOO_DEEP', 'TOO_MANY_BLOCKS']).toContain(faultOf(text) ?? 'ok');
  });
  test('a deep quote with lazy lines behind it', () => {
    expect(faultOf(`${'> '.repeat(64)}a\n${'b\n'.repeat(49_000)}`)).toBeUndefined();
  });
});

describe('any text', () => {
  const piece = fc.constantFrom(
    '```',
    '~~~',
    '````',
    '\n',
    '\n\n',
    '> ',
    '- ',
    '1. ',
    '    ',
    '\t',
    'py',
    '{',
    '<div>',
    '&#96;',
    '\ud83d',
    'é',
    '`',
    '\\',
    '__proto__',
    '\r\n',
  );
  test('gives blocks that stand in it, in order, or a named fault', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 80 }).map((parts) => parts.join('')),
          fc.string({ unit: 'binary' }),
        ),
        (text) => {
          if (faultOf(text) !== undefined) return;
          const blocks = blocksOf(text);
          const lines = text.split(/\r\n|\r|\n/).length;
          blocks.forEach(({ index, line, code }, place) => {
            expect(index).toBe(place);
            expect(line).toBeGreaterThan(blocks[place - 1]?.line ?? 0);
            expect(line).toBeLessThanOrEqual(lines);
            expect(code.isWellFormed()).toBe(true);
          });
        },
      ),
    );
  });
  test('code between fences comes out as it went in', () => {
    const code = fc.string({ unit: fc.constantFrom('a', ' ', '`', '~', '>', '-', '#', 'é', '\n', '<', '"') });
    fc.assert(
      fc.property(code, (inside) => {
        const fence = '`'.repeat(Math.max(3, ...(inside.match(/`+/g) ?? []).map((run) => run.length + 1)));
        expect(blocksOf(`text\n${fence}py\n${inside}\n${fence}\nmore`)[0]?.code).toBe(`${inside}\n`);
      }),
    );
  });
});
