/** Hints of the daemons and the pages of docs/ name commands of labctl: each is there, with the flags that are named. */
import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { commandTable } from '../apps/labctl/src/command-table.ts';
import { findCommand } from '../apps/labctl/src/dispatch/find-command.ts';

const root = resolve(import.meta.dir, '..');

/** `{ named, at }` of every `labctl …` between quotes or backticks, up to the first value that is put in. */
function namedCommands(pattern: string): { named: string; at: string }[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root })].flatMap((path) => {
    if (path.endsWith('.test.ts') || path.includes('/testing/')) return [];
    const text = readFileSync(join(root, path), 'utf8');
    return [...text.matchAll(/['"`]labctl ([a-z][^'"`\n$]*)/g)].map(({ 1: named = '', index }) => ({
      named: named.trim(),
      at: `${path}:${text.slice(0, index).split('\n').length}`,
    }));
  });
}

/** Sentences about labctl itself. */
const prose = ['and labd may be', 'cert cannot ask'];

/** What is wrong with it; undefined: nothing. */
async function faultOf(named: string): Promise<string | undefined> {
  if (prose.some((begin) => named.startsWith(begin))) return undefined;
  // `a, or labctl b` names two; the first is enough of one. What stands behind `--` or `|` is another's command.
  const [begin = ''] = named.split(/, | -- |; | \(| \| | …/);
  const line = begin.replace(/\|\S+/, '').replace(/\\$/, '');
  const words = line.split(/\s+/);
  const found = findCommand(commandTable, words);
  if (found === undefined) {
    // `labctl ca` alone names the group.
    const isGroup = commandTable.some(({ name }) => name.startsWith(`${line} `));
    return isGroup || ['--help', '--version'].includes(words[0] ?? '') ? undefined : 'is no command';
  }
  const { options } = await found.entry.load();
  const flags = new Set([
    'help',
    ...Object.values(options ?? {}).flatMap(({ flag }) => (flag === undefined ? [] : [flag, `no-${flag}`])),
  ]);
  const unknown = [...line.matchAll(/(?<=\s)--([a-z][a-z-]*)/g)].find(([, flag = '']) => !flags.has(flag));
  return unknown === undefined ? undefined : `--${unknown[1]} is no flag of ${found.entry.name}`;
}

describe('every command of labctl that is named is there', () => {
  test.each(['{daemons,packages}/*/src/**/*.ts', 'apps/labctl/src/**/*.ts', '{docs,.}/*.md'])(
    'in %s',
    async (pattern) => {
      const all = namedCommands(pattern);
      expect(all.length).toBeGreaterThan(10);
      const faults: string[] = [];
      for (const { named, at } of all) {
        const fault = await faultOf(named);
        if (fault !== undefined) faults.push(`${at}: labctl ${named}: ${fault}`);
      }
      expect(faults).toEqual([]);
    },
  );
});
