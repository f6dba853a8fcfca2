import { describe, expect, test } from 'bun:test';
import type { Life } from '@labmesh/kit/run';
import type { World } from './command.ts';
import { commandTable } from './command-table.ts';
import { dispatch } from './dispatch.ts';

const life: Life = {
  signal: new AbortController().signal,
  stack: new AsyncDisposableStack(),
  stopped: Promise.resolve(),
  stop: () => {},
};

async function run(...argv: string[]) {
  let stdout = '';
  let stderr = '';
  const world: World = {
    env: { HOME: '/nonexistent' },
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    colourOut: false,
    colourErr: false,
    stderrIsTerminal: false,
    columns: undefined,
    readStdin: async () => '',
    life,
  };
  const exitCode = await dispatch(argv, world);
  return { exitCode, stdout, stderr };
}

describe('dispatch', () => {
  test('every command is what its entry says, has a file of its name, help and --json', async () => {
    for (const entry of commandTable) {
      const command = await entry.load();
      expect(command.name).toBe(entry.name);
      expect(command.usage).toStartWith(`labctl ${entry.name}`);
      expect(command.options['json']?.type).toBe('boolean');
      expect(await Bun.file(`${import.meta.dir}/commands/${entry.name.replace(' ', '-')}.ts`).exists()).toBe(true);
      const { exitCode, stdout } = await run(...entry.name.split(' '), '--help');
      expect(exitCode).toBe(0);
      expect(stdout).toContain(command.usage);
    }
  });

  test('no words, help and --help list the commands', async () => {
    for (const words of [[], ['help'], ['--help'], ['-h']]) {
      const { exitCode, stdout } = await run(...words);
      expect(exitCode).toBe(0);
      for (const { name } of commandTable) expect(stdout).toContain(name);
    }
  });

  test('a noun with --help lists its verbs only', async () => {
    const { stdout } = await run('keys', '--help');
    expect(stdout).toContain('keys revoke');
    expect(stdout).not.toContain('doctor');
  });

  test.each([
    [['stauts'], 'unknown command "stauts"; did you mean status?'],
    [['keys'], 'keys needs a verb'],
    [['keys', 'lst'], 'unknown verb "keys lst"; did you mean list?'],
    [['version', '--jsn'], '--jsn: unknown flag; did you mean --json?'],
    [['status', 'extra'], 'unexpected word "extra"'],
    [['chat'], 'the prompt is missing'],
    [['keys', 'revoke', '../x'], 'this is not the id of a key'],
    [['up', '--demo', '--model', 'x.gguf'], 'exclude each other'],
    [['chat', '--api', 'nonsense', 'hi'], 'is not the address of an API'],
    [['chat', '--api', 'http://127.0.0.1:9/v1', '--key', 'a\r\nx: y', '-m', 'm', 'hi'], 'the API key holds'],
  ])('%j is a usage error with exit code 2', async (words, text) => {
    const { exitCode, stdout, stderr } = await run(...words);
    expect(stderr).toContain(text);
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });

  test('with --json a failure is JSON on stdout too', async () => {
    const { exitCode, stdout, stderr } = await run('models', '--json', '--data', '/nonexistent');
    expect(exitCode).toBe(1);
    const message = 'labmesh is not running on /nonexistent';
    expect(JSON.parse(stdout)).toEqual({ error: { message, hint: 'start it with labctl up' } });
    expect(stderr).toBe(`error: ${message}\nhint: start it with labctl up\n`);
  });

  test('status says no in its own form', async () => {
    const { exitCode, stdout } = await run('status', '--json', '--data', '/nonexistent');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ running: false, data: '/nonexistent' });
  });

  test('version', async () => {
    expect((await run('version')).stdout).toStartWith('labmesh ');
    expect(JSON.parse((await run('--version', '--json')).stdout)).toMatchObject({ bun: Bun.version });
  });
});
