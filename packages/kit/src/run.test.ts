import { expect, test } from 'bun:test';
import { EventEmitter } from 'node:events';
import { ApiError } from '@labmesh/wire/errors';
import { OptionsError } from './options/options-error.ts';
import { runLife, type Main } from './run.ts';

function start(main: Main) {
  const events = new EventEmitter();
  const lines: string[] = [];
  const kills: number[] = [];
  const done = runLife(main, { events, writeError: (line) => lines.push(line), kill: (code) => kills.push(code) });
  return { events, lines, kills, done };
}

test('main gives the exit code, nothing gives 0, and the stack is closed in reverse order', async () => {
  const order: string[] = [];
  const run = start(async ({ stack }) => {
    stack.defer(() => void order.push('first'));
    stack.defer(async () => void order.push('second'));
    return 3;
  });
  expect(await run.done).toBe(3);
  expect(order).toEqual(['second', 'first']);
  expect(await start(async () => {}).done).toBe(0);
  expect(run.events.eventNames()).toEqual([]);
});

test('the first signal winds down, the second ends at once', async () => {
  const run = start(async ({ stopped, signal }) => {
    await stopped;
    expect(signal.aborted).toBe(true);
    run.events.emit('SIGTERM');
  });
  run.events.emit('SIGINT');
  expect(run.kills).toEqual([]);
  expect(await run.done).toBe(0);
  expect(run.kills).toEqual([1]);
});

test('a main that throws the reason of its own end has not failed', async () => {
  const run = start(
    ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  run.events.emit('SIGTERM');
  expect(await run.done).toBe(0);
  expect(run.lines).toEqual([]);
});

test('errors become one line and their exit code', async () => {
  const cases: [unknown, number, string][] = [
    [new OptionsError({ source: '--port', exitCode: 2 }, 'needs a value'), 2, '--port: needs a value'],
    [
      new OptionsError({ source: 'labmesh.toml', exitCode: 4 }, 'there is no such file'),
      4,
      'labmesh.toml: there is no such file',
    ],
    [
      new ApiError('queue_full', { log: 'endpoint a' }),
      1,
      'every endpoint with this model is busy and the queue is full (endpoint a)',
    ],
    [
      Object.assign(new Error('listen EADDRINUSE 127.0.0.1:1'), { code: 'EADDRINUSE', syscall: 'listen' }),
      1,
      'listen EADDRINUSE 127.0.0.1:1',
    ],
    ['a text', 1, 'a text'],
  ];
  for (const [error, code, line] of cases) {
    const run = start(async () => {
      throw error;
    });
    expect([await run.done, ...run.lines]).toEqual([code, line]);
  }
  const foreign = start(() => Promise.reject(new TypeError('surprise')));
  expect(await foreign.done).toBe(1);
  expect(foreign.lines[0]).toMatch(/TypeError: surprise[\s\S]*run\.test\.ts/);
});

test('what nobody caught stops the life with exit code 1', async () => {
  const run = start(({ stopped }) => stopped);
  run.events.emit('unhandledRejection', new Error('lost'));
  expect(await run.done).toBe(1);
  expect(run.lines[0]).toContain('lost');
});

test('a close that fails is told, and the others are closed', async () => {
  let closed = false;
  const run = start(async ({ stack }) => {
    stack.defer(() => void (closed = true));
    stack.defer(() => Promise.reject(new OptionsError({ source: 'x', exitCode: 3 }, 'broken')));
  });
  expect([await run.done, closed, run.lines]).toEqual([3, true, ['x: broken']]);
});
