import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispatch } from '../../dispatch.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';

const home = mkdtempSync(join(tmpdir(), 'labctl-home-'));
afterAll(() => rmSync(home, { recursive: true }));
const path = join(home, '.labctl', 'config.yaml');

async function labctl(words: string, env: Record<string, string> = {}, columns?: number) {
  const world = testWorld({ env: { HOME: home, ...env }, columns });
  const exitCode = await dispatch(words.split(' ').filter(Boolean), world);
  return { exitCode, ...world.said };
}

describe('labctl config (CT-3, CT-4)', () => {
  test('path', async () => {
    expect(await labctl('config path')).toEqual({ exitCode: 0, stdout: `${path}\n`, stderr: '' });
    expect((await labctl('config path', { LABCTL_CONFIG: '/etc/lab.yaml' })).stdout).toBe('/etc/lab.yaml\n');
    expect(JSON.parse((await labctl('config path --json')).stdout)).toEqual({ path, exists: false });
  });

  test('set makes the file, 0600 in 0700, and get reads it', async () => {
    expect(await labctl('config set labd.url https://lab.example:3100')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, '.labctl')).mode & 0o777).toBe(0o700);
    expect(await labctl('config get labd.url')).toEqual({
      exitCode: 0,
      stdout: 'https://lab.example:3100\n',
      stderr: '',
    });
    expect((await labctl('config get labd.url --show-origin')).stdout).toBe(`https://lab.example:3100\t${path}:2\n`);
    expect(JSON.parse((await labctl('config get labd.url -o json')).stdout)).toEqual({
      key: 'labd.url',
      value: 'https://lab.example:3100',
      origin: `${path}:2`,
    });
  });

  test('a context is set up, chosen, and stands above the file', async () => {
    await labctl('config set contexts.prod.labd.url https://prod.example:3100');
    expect((await labctl('config get labd.url --context prod')).stdout).toBe('https://prod.example:3100\n');
    expect((await labctl('--context prod config get labd.url')).stdout).toBe('https://prod.example:3100\n');
    await labctl('config set currentContext prod');
    expect((await labctl('config get labd.url --show-origin')).stdout).toContain('context prod (');
    expect((await labctl('config get labd.url', { LABCTL_LABD_URL: 'https://env:1' })).stdout).toBe('https://env:1\n');
    expect((await labctl('config get contexts.prod.labd.url')).stdout).toBe('https://prod.example:3100\n');
    const unknown = await labctl('config list --context prdo');
    expect(unknown).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringContaining('there is no context "prdo"'),
    });
  });

  test('comments stay', async () => {
    writeFileSync(path, `# mine\n${readFileSync(path, 'utf8')}`);
    await labctl('config set output wide');
    expect(readFileSync(path, 'utf8')).toBe(
      '# mine\nlabd:\n  url: https://lab.example:3100\ncontexts:\n  prod:\n    labd:\n      url: https://prod.example:3100\ncurrentContext: prod\noutput: wide\n',
    );
    await labctl('config set output --unset');
    expect(readFileSync(path, 'utf8')).not.toContain('output');
  });

  test('golden: list, and its help', async () => {
    const shown = async (words: string, columns?: number) =>
      (await labctl(words, { LABCTL_TIMEOUT: '1m', NO_COLOR: '1' }, columns)).stdout.replaceAll(home, '~');
    const golden = (name: string) => join(import.meta.dir, 'testdata', `${name}.golden.txt`);
    expectGolden(golden('config-list-pipe'), await shown('config list'));
    expectGolden(golden('config-get-help'), await shown('config get --help'));
    expect(JSON.parse(await shown('config list --json')).items).toContainEqual({
      key: 'timeout',
      value: '1m',
      origin: 'LABCTL_TIMEOUT',
    });
    for (const line of (await shown('config list', 60)).split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  });

  test.each([
    ['config set', 2, 'the key is missing'],
    ['config set output', 2, 'the value is missing'],
    ['config set outptu json', 2, 'unknown key "outptu"; did you mean output?'],
    ['config set output xml', 2, 'output: found "xml", expected one of table'],
    ['config set output json --unset', 2, '--unset takes no value'],
    ['config set contexts.prod x', 2, 'contexts.prod holds keys, not a value'],
    ['config set labd.url http://lab:3100', 2, 'expected an address such as https:'],
    ['config get', 2, 'the key is missing'],
    ['config get nope', 2, 'unknown key "nope"'],
    ['config get ssh.user', 3, 'ssh.user is not set'],
    ['config get contexts.prod.output', 3, 'contexts.prod.output is not set'],
    ['config lst', 2, 'did you mean list?'],
  ])('%s: exit code %d', async (words, exitCode, text) => {
    expect(await labctl(words)).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(text) });
  });

  test('a pin is kept in lower case, a variable above the file is told', async () => {
    const pin = `sha256:${'AB'.repeat(32)}`;
    const { stderr } = await labctl(`config set labd.caPin ${pin}`, { LABCTL_LABD_CA_PIN: pin.toLowerCase() });
    expect(stderr).toBe('note: LABCTL_LABD_CA_PIN is set and stands above the file\n');
    expect((await labctl('config get labd.caPin')).stdout).toBe(`${pin.toLowerCase()}\n`);
  });

  test('set mends a file with a wrong value in it', async () => {
    writeFileSync(path, 'output: xml\n', { mode: 0o600 });
    expect((await labctl('config list')).stderr).toContain(`${path}:1: output: found "xml"`);
    expect((await labctl('config set output json')).exitCode).toBe(0);
    expect((await labctl('config get output')).exitCode).toBe(0);
  });

  test('a whole context is taken out', async () => {
    await labctl('config set contexts.old.labd.url https://old:1');
    expect((await labctl('config set contexts.old --unset')).exitCode).toBe(0);
    expect(readFileSync(path, 'utf8')).not.toContain('old');
    expect(existsSync(path)).toBe(true);
  });
});

describe('labctl completion', () => {
  test('one shell, named', async () => {
    expect((await labctl('completion bash')).stdout).toContain('complete -F _labctl labctl');
    expect((await labctl('completion zsh')).stdout).toStartWith('#compdef labctl');
    expect((await labctl('completion fish')).stdout).toContain('complete -c labctl');
    expect(await labctl('completion')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('the shell is missing'),
    });
    expect((await labctl('completion tcsh')).stderr).toContain('no completion for "tcsh"');
  });
});
