import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { ConfigFile } from './config-file.ts';
import { configKeyNames, envName, parsePlace } from './config-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (text: string) => ConfigFile.parse('c.yaml', text);
function refusal(act: () => unknown): CommandError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError);
    return error as CommandError;
  }
  throw new Error('it was taken');
}

const sample = `# my labs
output: wide # for the big screen

labd:
  url: https://one.example:3100
contexts:
  # the real one
  prod:
    labd:
      url: https://prod.example:3100
    timeout: 1m
`;

describe('keys (CT-3, CT-4)', () => {
  test('environment names', () => {
    expect(configKeyNames.map(envName)).toEqual([
      'LABCTL_LABD_URL',
      'LABCTL_LABD_CA_PIN',
      'LABCTL_BASTION_URL',
      'LABCTL_OUTPUT',
      'LABCTL_COLOR',
      'LABCTL_TIMEOUT',
      'LABCTL_SSH_USER',
      'LABCTL_SSH_KEY_FILE',
      'LABCTL_CURRENT_CONTEXT',
    ]);
  });

  test('places', () => {
    expect(parsePlace('labd.caPin')).toEqual({ context: undefined, key: 'labd.caPin', path: ['labd', 'caPin'] });
    expect(parsePlace('contexts.prod.ssh.user')).toEqual({
      context: 'prod',
      key: 'ssh.user',
      path: ['contexts', 'prod', 'ssh', 'user'],
    });
    expect(parsePlace('contexts.prod')).toMatchObject({ context: 'prod', key: undefined });
    expect(parsePlace('labd.urll')).toEqual({ problem: 'unknown key "labd.urll"; did you mean labd.url?' });
    expect(parsePlace('contexts.a/b.output')).toMatchObject({
      problem: expect.stringContaining('name of the context'),
    });
    expect(parsePlace('contexts.a.currentContext')).toMatchObject({ problem: expect.stringContaining('not a key') });
    for (const name of ['__proto__', 'constructor', '', '.', 'contexts.', 'contexts..output'])
      expect(parsePlace(name)).toHaveProperty('problem');
  });
});

describe('reading', () => {
  test('values of all contexts and of each, with their lines', () => {
    const file = parse(sample).check();
    expect(Object.fromEntries(file.values)).toEqual({
      output: { value: 'wide', place: 'c.yaml:2' },
      'labd.url': { value: 'https://one.example:3100', place: 'c.yaml:5' },
    });
    expect([...file.contexts.keys()]).toEqual(['prod']);
    expect(file.contexts.get('prod')?.get('timeout')).toEqual({ value: '1m', place: 'c.yaml:11' });
  });

  test('an empty file, comments only, tables with nothing below them', () => {
    for (const text of ['', '# nothing\n', 'contexts:\nlabd:\n', 'contexts:\n  prod:\n', '---\n'])
      expect(parse(text).check().values.size).toBe(0);
    expect([...parse('contexts:\n  prod:\n').check().contexts.keys()]).toEqual(['prod']);
  });

  test.each([
    ['outptu: json\n', 'c.yaml:1: unknown key "outptu"; did you mean output?'],
    ['\n\noutput: xml\n', 'c.yaml:3: output: found "xml", expected one of table, wide, json, yaml, ndjson, name'],
    ['timeout: 30\n', 'c.yaml:1: timeout: found "30", expected a duration such as 30s'],
    ['labd: https://x\n', 'c.yaml:1: labd: found a value, expected keys and values'],
    ['labd:\n  url: http://x:3100\n', 'c.yaml:2: labd.url: found "http://x:3100", expected an address such as https:'],
    ['labd:\n  url: https://u:p@x:3100\n', 'expected an address'],
    ['labd:\n  caPin: sha256:12\n', 'c.yaml:2: labd.caPin: found "sha256:12", expected sha256: and 64 hex digits'],
    ['labd.url: https://x:3100\n', 'c.yaml:1: labd.url: keys with a dot are nested'],
    ['contexts:\n  a/b:\n    output: json\n', 'c.yaml:2: the name of the context in "contexts.a/b" is not valid'],
    ['contexts:\n  a:\n    currentContext: b\n', 'c.yaml:3: currentContext is not a key of a context'],
    ['contexts:\n  a:\n    labd:\n      url:\n        x: 1\n', 'c.yaml:4: contexts.a.labd.url: found a list or keys'],
    ['output: [json]\n', 'found a list or keys'],
    ['- a\n', 'c.yaml:1: found no keys'],
    ['output: json\noutput: wide\n', 'c.yaml:2: not valid YAML'],
    ['output: "json\n', 'not valid YAML'],
    ['a: &a [*a]\noutput: *a\n', 'c.yaml:1: unknown key "a"'],
  ])('%j is refused with file, line and what is expected, exit code 3', (text, message) => {
    const error = refusal(() => parse(text).check());
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(3);
  });

  test('a number that is a fitting text is taken as it was written', () => {
    expect(parse('currentContext: 2024\n').check().values.get('currentContext')?.value).toBe('2024');
  });

  test('a file that others may write is refused with the chmod line', () => {
    const path = join(folder, "it's.yaml");
    writeFileSync(path, sample);
    chmodSync(path, 0o622);
    const { message, hint } = refusal(() => ConfigFile.open(path));
    expect(message).toContain('may be written by others');
    expect(hint).toStartWith('chmod 600 ');
    expect(Bun.spawnSync(['sh', '-c', hint ?? '']).exitCode).toBe(0);
    expect(ConfigFile.open(path).check().contexts.size).toBe(1);
  });

  test('a folder, and a file that is too large', () => {
    expect(refusal(() => ConfigFile.open(folder)).message).toContain('cannot be read');
    const path = join(folder, 'large.yaml');
    writeFileSync(path, '#'.repeat(1024 * 1024 + 1), { mode: 0o600 });
    expect(refusal(() => ConfigFile.open(path)).message).toContain('is larger than');
  });

  test('any text is read or refused', () => {
    const word = fc.constantFrom(
      'labd',
      'url',
      'contexts',
      'a',
      ':',
      ' ',
      '\n',
      '  ',
      '- ',
      '#',
      '&a',
      '*a',
      '{',
      '}',
      '"',
      '!!x',
    );
    const text = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(word, { maxLength: 25 }).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          parse(given).check();
        } catch (error) {
          if (!(error instanceof CommandError)) throw error;
        }
      }),
      { numRuns: 1_500 },
    );
  });
});

describe('changes (CT-3: set keeps comments)', () => {
  const changed = (text: string, ...changes: [key: string, value: string | undefined][]) => {
    const file = parse(text);
    for (const [key, value] of changes) file.set(key.split('.'), value);
    return file.toString();
  };

  test('a value is replaced, and every comment stays', () => {
    expect(changed(sample, ['output', 'json'])).toBe(sample.replace('output: wide', 'output: json'));
    const more = changed(sample, ['contexts.prod.labd.url', 'https://new:1'], ['contexts.test.output', 'name']);
    expect(more).toBe(`${sample.replace('https://prod.example:3100', 'https://new:1')}  test:\n    output: name\n`);
  });

  test('a key is taken out, and the tables that became empty with it', () => {
    expect(changed('labd:\n  url: https://x:1\noutput: json\n', ['labd.url', undefined])).toBe('output: json\n');
    expect(changed('# top\noutput: json\n', ['output', undefined])).not.toContain('{');
    expect(changed(sample, ['nothing.there', undefined])).toBe(sample);
  });

  test('an empty file, and one with comments only', () => {
    expect(changed('', ['output', 'json'])).toBe('output: json\n');
    expect(changed('# mine\n', ['labd.url', 'https://x:1'])).toBe('# mine\n\nlabd:\n  url: https://x:1\n');
    expect(parse(changed(changed('', ['output', 'json']), ['output', undefined])).check().values.size).toBe(0);
  });

  test('a value where keys should be is left for its owner', () => {
    const { message, hint, exitCode } = refusal(() => changed('labd: x\n', ['labd.url', 'https://x:1']));
    expect(message).toBe('c.yaml: labd.url cannot be changed: labd holds no keys');
    expect(hint).toBe('edit c.yaml');
    expect(exitCode).toBe(3);
  });

  test('what is set is read back, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0')),
        (text) => {
          const file = parse(changed(sample, ['ssh.keyFile', text]));
          expect(file.check().values.get('ssh.keyFile')?.value).toBe(text);
        },
      ),
    );
  });

  test('the file is 0600 in a folder of 0700, a link stays a link', () => {
    const home = join(folder, 'home');
    const path = join(home, '.labctl', 'config.yaml');
    mkdirSync(join(home, '.labctl'), { recursive: true, mode: 0o755 });
    const file = ConfigFile.open(path);
    file.set(['output'], 'json');
    file.save();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, '.labctl')).mode & 0o777).toBe(0o700);
    const link = join(folder, 'link.yaml');
    symlinkSync(path, link);
    const linked = ConfigFile.open(link);
    linked.set(['output'], 'wide');
    linked.save();
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('output: wide\n');
  });
});
