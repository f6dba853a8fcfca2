import { describe, expect, test } from 'bun:test';
import type { CommandEntry } from '../command.ts';
import { commandsBelow, findCommand, overview, unknownCommand, wholeNoun } from './find-command.ts';

const entry = (name: string): CommandEntry => ({
  name,
  summary: `does ${name}`,
  load: () => Promise.reject(new Error()),
});
const table = ['ca', 'ca status', 'init bastion standalone start', 'init bastion standalone stop', 'exec'].map(entry);
const groups = [
  { title: 'Fleet', entries: table },
  { title: 'Empty', entries: [] },
];
const find = (words: string) => {
  const found = findCommand(table, words.split(' '));
  return found && [found.entry.name, ...found.rest];
};

describe('commands of several words', () => {
  test('the longest name counts, the rest is the command’s own', () => {
    expect(find('ca status -o json')).toEqual(['ca status', '-o', 'json']);
    expect(find('ca rotate')).toEqual(['ca', 'rotate']);
    expect(find('init bastion standalone start --foreground')).toEqual([
      'init bastion standalone start',
      '--foreground',
    ]);
    expect(find('init bastion standalone')).toBeUndefined();
    expect(find('exec -- ca status')).toEqual(['exec', '--', 'ca', 'status']);
  });

  test.each([
    ['init', 'init needs a verb', 'labctl init bastion'],
    ['init bastion standalone', 'init bastion standalone needs a verb', 'labctl init bastion standalone start|stop'],
    [
      'init bastion standalone strat',
      'unknown verb "init bastion standalone strat"; did you mean start?',
      'start|stop',
    ],
    ['exce', 'unknown command "exce"; did you mean exec?', 'labctl --help lists them'],
  ])('%s', (words, message, hint) => {
    const error = unknownCommand(table, words.split(' '));
    expect(error.message).toBe(message);
    expect(error.hint).toContain(hint);
    expect(error.exitCode).toBe(2);
  });

  test('a noun names what stands below it', () => {
    expect(wholeNoun(table, ['init', 'bastion', '--help'])).toEqual(['init', 'bastion']);
    expect(wholeNoun(table, ['init', 'x', '--help'])).toBeUndefined();
    expect(wholeNoun(table, ['--help'])).toBeUndefined();
    expect(overview(commandsBelow(groups, ['init']))).not.toContain('exec');
    expect(overview(groups)).toContain('  init bastion standalone start  does init bastion standalone start\n');
    expect(overview(groups)).not.toContain('Empty');
  });
});
