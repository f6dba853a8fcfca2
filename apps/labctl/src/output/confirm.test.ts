import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { CommandError } from '../command-error.ts';
import { testWorld } from '../testing/test-world.ts';
import { confirm } from './confirm.ts';

const question = { action: 'delete server/web-1', name: 'web-1', yes: false };
const terminal = { stdinIsTerminal: true, stderrIsTerminal: true };

test('CT-7 a person types the name', async () => {
  const world = testWorld({ ...terminal, answers: [' web-1 '] });
  await confirm(world, question);
  expect(world.asked).toEqual(['This will delete server/web-1.\nType web-1 to go on: ']);
});

test.each([['web-2'], ['y'], ['']])('CT-7 %j is no yes', async (answer) => {
  expect(await thrower(confirm(testWorld({ ...terminal, answers: [answer] }), question))).toThrow('nothing was done');
});

test('CT-7 the end of the input is no yes', async () => {
  expect(await thrower(confirm(testWorld({ ...terminal, answers: [] }), question))).toThrow('nothing was done');
});

test('CT-7 elsewhere --yes has to be there before', async () => {
  for (const world of [testWorld(), testWorld({ stderrIsTerminal: true }), testWorld({ stdinIsTerminal: true })]) {
    const error = await confirm(world, question).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ exitCode: 2, hint: expect.stringContaining('--yes') });
    await confirm(world, { ...question, yes: true });
    expect(world.asked).toEqual([]);
  }
});

test('a hostile name does not move the cursor', async () => {
  const world = testWorld({ ...terminal, answers: ['a\u001b[2J'] });
  await confirm(world, { action: 'delete server/a\u001b[2J', name: 'a\u001b[2J', yes: false });
  expect(world.asked[0]).not.toContain('\u001b');
});
