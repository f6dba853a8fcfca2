import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { CommandError } from '../command-error.ts';
import { type PartName, partNames, wantedParts } from './parts.ts';

const none = { only: undefined, fleet: true, model: undefined, demo: undefined };
const parts = (changes: Partial<Parameters<typeof wantedParts>[0]>) => [...wantedParts({ ...none, ...changes })];
function refusal(changes: Partial<Parameters<typeof wantedParts>[0]>): CommandError {
  try {
    parts(changes);
  } catch (error) {
    return error as CommandError;
  }
  throw new Error('it was taken');
}

describe('the parts of labctl up', () => {
  test('all of them, or all but the fleet', () => {
    expect(parts({})).toEqual([...partNames]);
    expect(parts({ fleet: false })).toEqual(['gateway', 'engine', 'node', 'arena']);
  });

  test.each<[string, PartName[]]>([
    ['gateway', ['gateway']],
    ['labd,agent', ['labd', 'agent']],
    [' Gateway , engine,gateway', ['gateway', 'engine']],
    ['node', ['node']],
  ])('--only %j', (only, expected) => expect(parts({ only })).toEqual(expected));

  test.each([
    [{ only: 'gatway' }, 'there is no part "gatway"; did you mean gateway?'],
    [{ only: '' }, 'there is no part ""'],
    [{ only: 'labd,' }, 'there is no part ""'],
    [{ only: 'agent' }, 'agent needs labd'],
    [{ only: 'engine' }, 'engine needs gateway'],
    [{ only: 'labd', fleet: false }, '--only labd and --no-fleet exclude each other'],
    [{ only: 'gateway', demo: true }, '--model and --demo need the engine'],
    [{ only: 'gateway', model: 'x.gguf' }, '--model and --demo need the engine'],
  ])('%j is a usage error', (changes, message) => {
    const { exitCode, message: said } = refusal(changes);
    expect(said).toContain(message);
    expect(exitCode).toBe(2);
  });

  test('any text is parts that can go together, or a usage error', () => {
    const word = fc.oneof(fc.constantFrom(...partNames), fc.string());
    fc.assert(
      fc.property(fc.array(word), fc.boolean(), (words, fleet) => {
        try {
          const found = wantedParts({ ...none, only: words.join(','), fleet });
          expect(found.size).toBeGreaterThan(0);
          expect(found.has('agent') && !found.has('labd')).toBe(false);
          expect(found.has('engine') && !found.has('gateway')).toBe(false);
        } catch (error) {
          expect((error as CommandError).exitCode).toBe(2);
        }
      }),
    );
  });
});
