import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { readFacts } from './read-facts.ts';

test('shows the facts of a machine', () => {
  const facts = {
    os: { prettyName: 'Debian 12' },
    arch: 'x64',
    cpu: { threads: 16 },
    memory: { totalBytes: 5 },
    gpus: [{ name: 'H200' }],
  };
  expect(readFacts(JSON.stringify(facts))).toEqual({
    os: 'Debian 12',
    arch: 'x64',
    cpus: 16,
    memoryBytes: 5,
    gpus: ['H200'],
  });
});

test('whatever an agent claims, a list can show it', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const shown = readFacts(json);
      expect(shown.gpus.every((gpu) => typeof gpu === 'string')).toBe(true);
      expect(shown.cpus === null || shown.cpus >= 0).toBe(true);
    }),
  );
  expect(readFacts(null)).toEqual(readFacts('not json'));
});
