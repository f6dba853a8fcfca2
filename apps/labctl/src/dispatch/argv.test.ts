import { describe, expect, test } from 'bun:test';
import { defineOptions } from '@labmesh/kit/options';
import fc from 'fast-check';
import { fleetOptions } from '../fleet-options.ts';
import { expandShortFlags, moveLeadingFlags, splitRest, wantsJson } from './argv.ts';

const words = (text: string) => text.split(' ').filter(Boolean);
const options = defineOptions({
  stdin: { type: 'boolean', flag: 'stdin', short: 'i', help: '' },
  tty: { type: 'boolean', flag: 'tty', short: 't', help: '' },
  label: { type: 'string', flag: 'label', short: 'l', help: '' },
});

describe('words of the command line', () => {
  test('what is behind -- is nobody’s', () => {
    expect(splitRest(words('web-1 -- ls -- -x'))).toEqual({ own: ['web-1'], rest: ['ls', '--', '-x'] });
    expect(splitRest(words('web-1'))).toEqual({ own: ['web-1'], rest: undefined });
    expect(splitRest(['--'])).toEqual({ own: [], rest: [] });
  });

  test.each([
    ['get servers --context prod', 'get servers --context prod'],
    ['--context prod get servers', 'get servers --context prod'],
    ['--context=prod -v get servers -o json', 'get servers --context=prod -v -o json'],
    ['--yes exec web-1 -- rm -f x', 'exec web-1 --yes -- rm -f x'],
    ['--unknown get servers', '--unknown get servers'],
    ['--context prod', '--context prod'],
    ['--verbose', '--verbose'],
  ])('shared flags before the command go behind its name: %s', (given, wanted) => {
    expect(moveLeadingFlags(words(given), fleetOptions).join(' ')).toBe(wanted);
  });

  test.each([
    ['web-1 -it', 'web-1 -i -t'],
    ['-itl a', '-i -t -l a'],
    ['-la=b', '-l=a=b'],
    ['-l=a', '-l=a'],
    ['-itla', '-i -t -l=a'],
    ['-ix', '-ix'],
    ['-i', '-i'],
    ['--it', '--it'],
    ['-it -- sh -it', '-i -t -- sh -it'],
  ])('joined letters are parted: %s', (given, wanted) => {
    expect(expandShortFlags(words(given), options).join(' ')).toBe(wanted);
  });

  test.each([
    ['get x --json', true],
    ['get x -o json', true],
    ['get x -ojson', true],
    ['get x -o=ndjson', true],
    ['get x --output=json', true],
    ['get x -o yaml', false],
    ['exec x -- tool --json', false],
    ['get json', false],
  ])('%s: JSON on stdout for a failure: %p', (given, wanted) => expect(wantsJson(words(given))).toBe(wanted));

  test('no word is lost or made up', () => {
    const word = fc.constantFrom('--context', '--yes', '-v', '-it', 'get', 'a', '--', '-o', '--output=x', '');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
        expect(moveLeadingFlags(argv, fleetOptions).toSorted()).toEqual(argv.toSorted());
        const { rest } = splitRest(argv);
        expect(splitRest(expandShortFlags(argv, options)).rest).toEqual(rest);
      }),
    );
  });
});
