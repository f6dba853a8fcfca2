import { afterEach, expect, spyOn, test } from 'bun:test';
import type { Life } from '@labmesh/kit/run';
import { commands } from './commands.ts';
import { labmanMain } from './labman-main.ts';

const life = {} as Life;
const spies: { mockRestore(): void }[] = [];
afterEach(() => spies.splice(0).forEach((spy) => spy.mockRestore()));

async function run(...argv: string[]) {
  let [out, err] = ['', ''];
  spies.push(spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true)));
  spies.push(spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true)));
  return { exitCode: await labmanMain(argv, life), out, err };
}

test('the help names every command', async () => {
  const { exitCode, out } = await run('--help');
  expect(exitCode).toBe(0);
  for (const [words, { takes, about }] of Object.entries(commands)) {
    expect(out).toContain(`  ${takes === undefined ? words : `${words} ${takes}`} `);
    expect(out).toContain(about);
  }
  expect((await run()).exitCode).toBe(2);
});

test.each([
  [['tunnel'], 'expected one of'],
  [['tunnel', 'toString'], 'expected one of'],
  [['fly'], 'expected one of'],
  [['tunnel', 'status', 'now'], 'takes nothing behind it'],
  [['tunnel', 'import', 'a', 'b'], 'takes PATH'],
  [['tunnel', 'trust'], 'the fingerprint is missing'],
  [['tunnel', 'import'], 'is missing'],
  [['post', 'all'], 'takes nothing'],
  [['tunnel', 'status', '--loud'], '--loud'],
])('%p is told in one line', async (argv, said) => {
  const { exitCode, out, err } = await run(...argv);
  expect([exitCode, out]).toEqual([2, '']);
  expect(err).toStartWith('labman: ');
  expect(err).toContain(said);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
});

test('keys that are not there are told with the way to them', async () => {
  const { exitCode, err } = await run('tunnel', 'fingerprint', '--state-dir', '/nowhere');
  expect(exitCode).toBe(5);
  expect(err).toBe(
    'labman: /nowhere/pqpk is not there; labmand makes keys at its first start, `labman tunnel keygen` does it now\n',
  );
});

test('a labmand that is not there is told with its socket', async () => {
  const { exitCode, err } = await run('tunnel', 'show', '--socket', '/nowhere/labmand.sock');
  expect(exitCode).toBe(6);
  expect(err).toContain('/nowhere/labmand.sock');
});
