import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { kinds } from '@labmesh/wire/fleet/access-words';
import { CommandError } from '../command-error.ts';
import { formatRef, parseRef, parseRefs, parseSelection, type RefOptions } from './resource-ref.ts';
import { findType, kindOf, parseType, resourceTypes, typeNames, typeWords } from './resource-type.ts';

const server = { bare: 'server' } as const;
const ref = (words: string, options: RefOptions = {}) => formatRef(parseRef(words.split(' '), options));

/** The error of words that must be refused: a usage error and nothing else. */
function refusal(act: () => unknown): CommandError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError);
    expect((error as CommandError).exitCode).toBe(2);
    return error as CommandError;
  }
  throw new Error('it was taken');
}

describe('types (CT-2)', () => {
  test('singular, plural and short, in any case', () => {
    for (const type of typeNames) {
      const row: { kind: string; short?: string } = resourceTypes[type];
      for (const word of [type, row.kind, row.short ?? type]) {
        expect(parseType(word)).toBe(type);
        expect(parseType(word.toUpperCase())).toBe(type);
      }
      expect(kinds).toContain(kindOf(type));
    }
    expect(['srv', 'perm', 'cert', 'net'].map(findType)).toEqual(['server', 'permission', 'certificate', 'network']);
  });

  test('no word means two types', () => expect(new Set(typeWords).size).toBe(typeWords.length));

  test.each([
    ['sever', 'unknown type "sever"; did you mean server?'],
    ['certs', 'unknown type "certs"; did you mean cert?'],
    ['foo', 'unknown type "foo"'],
    ['', 'the type is empty'],
  ])('%j: the nearest is offered', (word, message) => {
    const error = refusal(() => parseType(word));
    expect(error.message).toBe(message);
    expect(error.hint).toContain('server, agent, user');
  });
});

describe('references (CT-1)', () => {
  test.each([
    ['server/labmaster', 'server/labmaster'],
    ['srv labmaster', 'server/labmaster'],
    ['SERVERS labmaster', 'server/labmaster'],
    ['app/kube-system/nginx', 'app/kube-system/nginx'],
    ['app/nginx', 'app/default/nginx'],
    ['apps nginx', 'app/default/nginx'],
    ['server/01900000-0000-7000-8000-00000000000A', 'server/01900000-0000-7000-8000-00000000000a'],
    ['machine/52:54:00:AB:cd:ef', 'machine/52:54:00:ab:cd:ef'],
    ['token/lmj_0a1b2c3d', 'token/lmj_0a1b2c3d'],
    ['user/alice@example.com', 'user/alice@example.com'],
    [`server/${'a'.repeat(253)}`, `server/${'a'.repeat(253)}`],
  ])('%s', (words, wanted) => expect(ref(words)).toBe(wanted));

  test.each([
    ['server/', 'the name in "server/" is empty'],
    ['/x', 'the type in "/x" is empty'],
    ['a/b/c/d', '"a/b/c/d" has 4 parts'],
    ['server/a_b', 'the name "a_b" in "server/a_b" is not valid'],
    ['foo/x', 'unknown type "foo"'],
    ['server/-a', 'the name "-a" in "server/-a" is not valid'],
    ['server/a.', 'the name "a." in "server/a." is not valid'],
    [`server/${'a'.repeat(254)}`, 'is not valid'],
    ['server/prod/web-1', 'the namespace in "server/prod/web-1" is too much: server names have none'],
    ['app//nginx', 'the namespace in "app//nginx" is empty'],
    ['app/kube-system/', 'the name in "app/kube-system/" is empty'],
    ['server', 'the name after "server" is missing'],
    ['web-1', 'unknown type "web-1"'],
    ['server/a server/b', 'one thing at a time: server/a or server/b'],
    ['server/a\nb', 'the name "a\\nb" in "server/a\\nb" is not valid'],
  ])('%j is a usage error that names the part', (words, message) => {
    expect(refusal(() => ref(words)).message).toContain(message);
  });

  test('capitals are refused with the name as it should be', () => {
    expect(refusal(() => ref('server/Web-1')).hint).toBe('names are in lower case: web-1');
  });

  test('a bare name is a server where the command says so', () => {
    expect(ref('web-1', server)).toBe('server/web-1');
    expect(ref('agent/web-1', server)).toBe('agent/web-1');
    expect(ref('srv web-1', server)).toBe('server/web-1');
    // A machine may be named like a type.
    expect(ref('node', server)).toBe('server/node');
    expect(refusal(() => ref('a_b', server)).message).toBe('the name "a_b" is not valid');
  });

  test('several: words, commas, each once', () => {
    const all = (words: string, options?: RefOptions) => parseRefs(words.split(' '), options).map(formatRef);
    expect(all('server/a,server/b')).toEqual(['server/a', 'server/b']);
    expect(all('server/a,b agent/c')).toEqual(['server/a', 'server/b', 'agent/c']);
    expect(all('servers a b a')).toEqual(['server/a', 'server/b']);
    expect(all('a,b', server)).toEqual(['server/a', 'server/b']);
    expect(refusal(() => all('a,b')).message).toBe('"a" has no type');
    expect(refusal(() => all('server/a,')).message).toBe('the name in "server/a," is empty');
  });

  test('a selection is a type, or things of one type', () => {
    const select = (words: string) => {
      const { type, refs } = parseSelection(words.split(' '));
      return [type, ...refs.map(formatRef)];
    };
    expect(select('servers')).toEqual(['server']);
    expect(select('srv a b')).toEqual(['server', 'server/a', 'server/b']);
    expect(select('server/a server/b')).toEqual(['server', 'server/a', 'server/b']);
    expect(refusal(() => select('server/a agent/b')).message).toBe('one type at a time: server or agent');
    expect(refusal(() => parseSelection([])).message).toBe('the type is missing');
  });
});

describe('any words', () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
  const type = fc.constantFrom(...typeWords);

  test('CT-1 what is formatted is read back, whatever the spelling of the type', () => {
    fc.assert(
      fc.property(type, name, name, fc.boolean(), (word, namespace, own, capital) => {
        const typed = capital ? word.toUpperCase() : word;
        const found = parseRef([`${typed}/${own}`]);
        expect(parseRef([formatRef(found)])).toEqual(found);
        expect(parseRef([typed, own])).toEqual(found);
        if (found.type === 'app')
          expect(formatRef(parseRef([`app/${namespace}/${own}`]))).toBe(`app/${namespace}/${own}`);
      }),
    );
  });

  test('are read or refused with exit code 2 and one line', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      name,
      type,
      fc.constantFrom('/', ',', '', ':'),
    );
    const word = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), fc.boolean(), (words, bare) => {
        for (const parse of [() => parseRefs(words, bare ? server : {}), () => parseSelection(words)]) {
          try {
            parse();
          } catch (error) {
            if (!(error instanceof CommandError)) throw error;
            expect(error.exitCode).toBe(2);
            // oxlint-disable-next-line no-control-regex -- they are what must not be there
            expect(error.message).not.toMatch(/[\u0000-\u001f]/);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('a hostile word costs no time', () => {
    for (const text of ['/', ',', 'a,', 'server/', 'server/a,']) refusal(() => parseRef([text.repeat(20_000)]));
  });
});
