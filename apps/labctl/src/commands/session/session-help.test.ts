import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { dispatch } from '../../dispatch.ts';
import { sessionCommands } from '../../table/session-table.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';

describe('help of the commands of sessions', () => {
  test.each(sessionCommands.map(({ name }) => name))('labctl %s --help', async (name) => {
    const world = testWorld();
    expect(await dispatch([...name.split(' '), '--help'], world)).toBe(0);
    expectGolden(join(import.meta.dir, 'testdata', `${name.replace(' ', '-')}-help.golden.txt`), world.said.stdout);
  });

  test('each is called as the table says', async () => {
    for (const { name, load } of sessionCommands) expect((await load()).name).toBe(name);
  });
});
