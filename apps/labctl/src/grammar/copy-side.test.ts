import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { parseCopySide } from './copy-side.ts';
import { formatRef } from './resource-ref.ts';

const side = (word: string) => {
  const found = parseCopySide(word);
  return found.at === 'here' ? found.path : [formatRef(found.ref), found.path];
};

describe('the sides of cp (CP-1, CT-1)', () => {
  test.each([
    ['server/web-1:/etc/hosts', ['server/web-1', '/etc/hosts']],
    ['web-1:/etc/hosts', ['server/web-1', '/etc/hosts']],
    ['srv/web-1:rel/path', ['server/web-1', 'rel/path']],
    ['web-1:/a:b', ['server/web-1', '/a:b']],
    ['file.txt', 'file.txt'],
    ['./a:b', './a:b'],
    ['../a:b', '../a:b'],
    ['/tmp/a:b', '/tmp/a:b'],
    ['~/a:b', '~/a:b'],
    ['.', '.'],
    ['.:x', undefined],
  ])('%s', (word, wanted) => {
    if (wanted === undefined) expect(() => side(word)).toThrow(CommandError);
    else expect(side(word)).toEqual(wanted as never);
  });

  test.each([
    ['', 'the path is empty'],
    ['web-1:', 'the path after "web-1:" is missing'],
    [':/x', 'the name in "" is empty'],
    ['agent/web-1:/x', 'files are copied to and from servers, and agent/web-1 is none'],
    ['foo/x:/y', 'unknown type "foo"'],
    ['a_b:/y', 'the name "a_b" is not valid'],
  ])('%j is a usage error', (word, message) => {
    try {
      side(word);
      throw new Error('it was taken');
    } catch (error) {
      expect((error as CommandError).exitCode).toBe(2);
      expect((error as Error).message).toContain(message);
    }
  });

  test('any word is read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (word) => {
        try {
          parseCopySide(word);
        } catch (error) {
          if (!(error instanceof CommandError)) throw error;
          expect(error.exitCode).toBe(2);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
