import { expect, test } from 'bun:test';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import fc from 'fast-check';
import { boardOfRun } from './board-of-run.ts';

const boardOf = (block: object) => boardOfRun({ tenant: 'acme', block: verificationBlockSchema.parse(block) });

test('a board is of a tenant, a bracket and a task class that there is', () => {
  expect(boardOf({})).toEqual({ tenant: 'acme', bracket: 'none', task: 'any' });
  expect(boardOf({ bracket: 'opencoder', metadata: { task: 'bug_fixing' } })).toEqual({
    tenant: 'acme',
    bracket: 'opencoder',
    task: 'bug_fixing',
  });
});

test('no other word makes a board of its own', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 1 }), (task) => {
      expect(boardOf({ metadata: { task } }).task).toBe('any');
    }),
  );
});
