import { describe, expect, test } from 'bun:test';
import type { World } from './command.ts';
import { commandGroups, commandTable } from './command-table.ts';
import { dispatch } from './dispatch.ts';
import { testWorld } from './testing/test-world.ts';

async function run(...argv: string[]) {
  const world = testWorld();
  const exitCode = await dispatch(argv, world);
  return { exitCode, ...world.said };
}

/** Every file of a command by its name: `keys-create`. */
const files = [...new Bun.Glob('**/*.ts').scanSync(`${import.meta.dir}/commands`)]
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => path.replace(/^.*\/|\.ts$/g, ''));

describe('dispatch', () => {
  test('CT-5 every command is what its entry says, has a file of its name, help and --json', async () => {
    for (const entry of commandTable) {
      const command = await entry.load();
      expect(command.name).toBe(entry.name);
      expect(command.usage).toStartWith(`labctl ${entry.name}`);
      expect(command.options['json']?.type).toBe('boolean');
      expect(files.filter((file) => file === entry.name.replaceAll(' ', '-'))).toHaveLength(1);
      const { exitCode, stdout } = await run(...entry.name.split(' '), '--help');
      expect(exitCode).toBe(0);
      expect(stdout).toContain(command.usage);
    }
  });

  test('no words, help and --help list the commands by group', async () => {
    for (const words of [[], ['help'], ['--help'], ['-h']]) {
      const { exitCode, stdout } = await run(...words);
      expect(exitCode).toBe(0);
      for (const { name } of commandTable) expect(stdout).toContain(name);
      for (const { title, entries } of commandGroups) expect(stdout.includes(`${title}:`)).toBe(entries.length > 0);
    }
  });

  test('a noun with --help lists its verbs only', async () => {
    for (const words of [
      ['keys', '--help'],
      ['help', 'keys'],
      ['keys', '-h'],
    ]) {
      const { stdout } = await run(...words);
      expect(stdout).toContain('keys revoke');
      expect(stdout).not.toContain('doctor');
    }
    expect((await run('help', 'config', 'get')).stdout).toContain('--show-origin');
  });

  test.each([
    [['stauts'], 'unknown command "stauts"; did you mean status?'],
    [['keys'], 'keys needs a verb'],
    [['keys', 'lst'], 'unknown verb "keys lst"; did you mean list?'],
    [['kys', '--help'], 'unknown command "kys"; did you mean keys?'],
    [['version', '--jsn'], '--jsn: unknown flag; did you mean --json?'],
    [['status', 'extra'], 'unexpected word "extra"'],
    [['chat'], 'the prompt is missing'],
    [['keys', 'revoke', '../x'], 'this is not the id of a key'],
    [['up', '--demo', '--model', 'x.gguf'], 'exclude each other'],
    [['chat', '--api', 'nonsense', 'hi'], 'is not the address of an API'],
    [['chat', '--api', 'http://127.0.0.1:9/v1', '--key', 'a\r\nx: y', '-m', 'm', 'hi'], 'the API key holds'],
    [['config', 'list', '-o', 'xml'], '-o: found "xml", expected one of table, wide, json, yaml, ndjson, name'],
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

  test('CT-6 CT-9 an error tells no control characters to the terminal', async () => {
    const { stderr } = await run('config', 'get', '\u001b[31mevil\nhint: x');
    expect(stderr.split('\n')).toHaveLength(3);
    expect(stderr).not.toContain('\u001b');
  });

  test('CT-8 a settings file that is not there is "not configured"', async () => {
    const { exitCode, stderr } = await run('up', '--config', '/nonexistent/labmesh.toml');
    expect(stderr).toContain('there is no such file');
    expect(exitCode).toBe(3);
  });

  test('CT-8 a command that Ctrl-C ended is "interrupted"', async () => {
    const stopping = new AbortController();
    const { Stopped } = await import('@labmesh/kit/run');
    stopping.abort(new Stopped());
    const world = testWorld({ readStdin: async () => stopping.signal.throwIfAborted() as never });
    expect(await dispatch(['chat', '-'], world as World)).toBe(130);
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
