import { describe, expect, test } from 'bun:test';
import { testWorld } from '../testing/test-world.ts';
import { startTasks, type ProgressMode } from './task-progress.ts';

function run(mode: ProgressMode, changes: Parameters<typeof testWorld>[0] = {}, quiet = false) {
  const world = testWorld(changes);
  const written: string[] = [];
  {
    using tasks = startTasks({ ...world, stderr: (text) => void written.push(text) }, mode, quiet);
    tasks.set('web-1', 'running', 'copying: 10 %');
    tasks.set('web-1', 'running', 'copying: 20 %');
    tasks.set('web-2', 'failed', 'no space\u001b[2J');
    tasks.set('web-1', 'done');
  }
  return written;
}

describe('progress of tasks (CT-7)', () => {
  test('a log gets a line at each change, not at each number', () => {
    expect(run('auto')).toEqual(['web-1: copying: 10 %\n', 'web-2: no space\\x1b[2J\n', 'web-1: done\n']);
    expect(run('plain', { stderrIsTerminal: true })).toHaveLength(3);
  });

  test('a terminal gets a list that is drawn over itself and stays at the end', () => {
    const written = run('auto', { stderrIsTerminal: true, columns: 40 });
    expect(written[0]).toMatch(/^. web-1: copying: 10 %\n$/);
    expect(written[1]).toStartWith('\u001b[1A\r\u001b[J');
    expect(written.at(-1)).toBe('\u001b[2A\r\u001b[J✓ web-1\n✗ web-2: no space\\x1b[2J\n');
  });

  test('many tasks: what failed and what runs is shown, the rest is counted', () => {
    const world = testWorld({ stderrIsTerminal: true, columns: 30 });
    {
      using tasks = startTasks(world, 'auto');
      for (let at = 0; at < 30; at++)
        tasks.set(`server-${at}`, at === 29 ? 'failed' : at > 25 ? 'running' : 'done', 'x'.repeat(80));
    }
    const last = world.said.stderr.split('\u001b[J').at(-1) ?? '';
    expect(last).toContain('✗ server-29');
    expect(last).toContain('server-26');
    expect(last).toContain('… and 18 more');
    for (const line of last.split('\n')) expect(Bun.stringWidth(line)).toBeLessThan(30);
  });

  test('--progress json: an object a line, each step', () => {
    const lines = run('json', { stderrIsTerminal: true }).map((line) => JSON.parse(line));
    expect(lines).toHaveLength(4);
    expect(lines[0]).toEqual({ task: 'web-1', state: 'running', text: 'copying: 10 %', at: expect.any(String) });
    expect(lines[3]).toEqual({ task: 'web-1', state: 'done', at: expect.any(String) });
  });

  test('none and --quiet say nothing', () => {
    expect(run('none')).toEqual([]);
    expect(run('json', {}, true)).toEqual([]);
  });
});
