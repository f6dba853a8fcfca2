import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineOptions } from '@labmesh/kit/options';
import { type Command, type CommandEntry, defineCommand } from '../command.ts';
import { commandTable } from '../command-table.ts';
import { typeNames } from '../grammar/resource-type.ts';
import { completionScript, type CompletionShell } from './completion-script.ts';

/** A table with everything a shell has to cope with: names of several words, values, paths, types, what is behind --. */
const options = defineOptions({
  output: { type: 'string', flag: 'output', short: 'o', choices: ['table', 'json'], help: "the form; it's text: x" },
  file: { type: 'string', flag: 'file', short: 'f', placeholder: 'FILE', help: 'a file' },
  colours: { type: 'boolean', flag: 'colours', default: true, help: 'on by default' },
  quiet: { type: 'boolean', flag: 'quiet', short: 'q', help: 'say nothing' },
});
const command = (name: string, more: Partial<Command> = {}): CommandEntry => ({
  name,
  summary: `does ${name}: it's fine`,
  load: async () =>
    defineCommand({
      name,
      summary: '',
      usage: '',
      examples: [],
      options,
      positionalsMax: 9,
      run: async () => {},
      ...more,
    }) as Command,
});
const table = [
  command('get', { completes: [[...typeNames], ['first', 'second']] }),
  command('keys create'),
  command('keys list'),
  command('init bastion standalone start'),
  command('ca'),
  command('ca status'),
  command('exec', { takesRest: true, completes: [['server/', 'agent/']] }),
];

const folder = mkdtempSync(join(tmpdir(), 'labctl-completion-'));
const scripts = { bash: '', zsh: '', fish: '' };
beforeAll(async () => {
  for (const shell of Object.keys(scripts) as CompletionShell[]) {
    scripts[shell] = await completionScript(shell, table);
    writeFileSync(join(folder, shell), scripts[shell]);
  }
  writeFileSync(join(folder, 'some-file'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = (command: string[]) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder },
  });
  expect({ stderr: stderr.toString(), exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout.toString().split('\n').filter(Boolean).toSorted();
};

/** What bash offers for a line, the last word being the one at the cursor. `=` and `:` part words there, as readline does it. */
function bash(line: string): string[] {
  const words = line.split(/ +|(?<==)|(?==)/);
  const script = `source ./bash; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _labctl 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return start(['bash', '--norc', '-c', script]);
}

const cases: [line: string, offered: string[]][] = [
  ['labctl ', ['ca', 'exec', 'get', 'init', 'keys']],
  ['labctl k', ['keys']],
  ['labctl keys ', ['create', 'list']],
  ['labctl keys c', ['create']],
  ['labctl init bastion ', ['standalone']],
  ['labctl init bastion standalone st', ['start']],
  ['labctl ca ', ['status']],
  ['labctl get ser', ['server']],
  ['labctl get server s', ['second']],
  ['labctl get server x f', ['first']],
  ['labctl get --output ', ['json', 'table']],
  ['labctl get -o j', ['json']],
  ['labctl get --output json ser', ['server']],
  ['labctl get -q ser', ['server']],
  ['labctl keys create --q', ['--quiet']],
  ['labctl keys create --no', ['--no-colours']],
  ['labctl exec s', ['server/']],
  ['labctl nothing ', []],
];

describe('bash (CT-5)', () => {
  test.each(cases)('%j', (line, offered) => expect(bash(line)).toEqual(offered));

  test('a value behind =', () => {
    expect(bash('labctl get --output=')).toEqual(['json', 'table']);
    expect(bash('labctl get --output=j')).toEqual(['json']);
    expect(bash('labctl get --output=json ser')).toEqual(['server']);
  });

  test('paths, and what is behind --, are the shell’s own', () => {
    expect(bash('labctl get --file ')).toEqual([]);
    expect(bash('labctl exec web-1 -- labctl ')).toEqual([]);
  });

  test('the script of the real table is good bash, and knows every command', async () => {
    const path = join(folder, 'real');
    writeFileSync(path, await completionScript('bash', commandTable));
    start(['bash', '-n', path]);
    const list = `source ./real; COMP_WORDS=(labctl ''); COMP_CWORD=1; _labctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const nouns = new Set(commandTable.map(({ name }) => name.split(' ')[0] ?? ''));
    expect(start(['bash', '--norc', '-c', list])).toEqual([...nouns].toSorted());
  });

  test('it is bound to the names of the program', () => {
    expect(start(['bash', '--norc', '-c', 'source ./bash; complete -p labctl labmesh'])).toHaveLength(2);
  });
});

describe.skipIf(Bun.which('zsh') === null)('zsh (needs zsh)', () => {
  test('the script is good zsh', () => {
    start(['zsh', '-f', '-n', './zsh']);
  });

  /** What a terminal shows after a line and a tab: zsh completes nowhere else. */
  function shown(line: string): string {
    const script = [
      'zmodload zsh/zpty',
      'zpty z zsh -f -i',
      `zpty -w z "PS1=; stty cols 200; autoload -U compinit; compinit -u -d ${folder}/dump; source ./zsh"`,
      'zpty -w z "print READ\\\\Y"',
      "zpty -r z line '*READY*'",
      `zpty -w -n z $'${line}\\t'`,
      'sleep 0.6',
      'while zpty -r -t z more; do print -rn -- "$more"; done',
    ];
    writeFileSync(join(folder, 'type.zsh'), script.join('\n'));
    const env = { PATH: process.env['PATH'], HOME: folder, TERM: 'xterm' };
    return Bun.stripANSI(Bun.spawnSync(['zsh', '-f', './type.zsh'], { cwd: folder, env }).stdout.toString());
  }

  test('commands, verbs, values and types are offered', () => {
    expect(shown('labctl k')).toContain('labctl keys');
    const verbs = shown('labctl keys ');
    expect(verbs).toContain("create  -- does keys create: it's fine");
    expect(verbs).toContain('list ');
    expect(verbs).not.toContain('get');
    expect(shown('labctl get --output ')).toMatch(/json\s+table/);
    expect(shown('labctl get -q ser')).toContain('labctl get -q server');
    expect(shown('labctl exec ser')).toMatch(/labctl exec server\/(?! )/);
    expect(shown('labctl get --file some')).toContain('some-file');
  }, 30_000);
});

describe.skipIf(Bun.which('fish') === null)('fish (needs fish)', () => {
  const fish = (line: string) =>
    start(['fish', '--no-config', '-c', `source ./fish; complete -C '${line}'`]).map((row) => row.split('\t')[0] ?? '');

  test('commands, verbs, values and types are offered', () => {
    const words = (list: string[]) => list.filter((word) => !word.startsWith('-'));
    for (const [line, offered] of cases) {
      // Where nothing is known fish offers what it always does.
      if (offered.length === 0) continue;
      const found = fish(line);
      for (const word of offered) expect(found).toContain(word);
      expect(words(found)).toHaveLength(words(offered).length);
    }
  });
});

test('every shell’s script names every command and flag', () => {
  for (const script of Object.values(scripts)) {
    for (const word of ['standalone', 'status', 'no-colours', 'quiet', 'server/']) expect(script).toContain(word);
  }
});
