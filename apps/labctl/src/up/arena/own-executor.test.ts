import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { type OwnExecutor, type OwnExecutorState, startOwnExecutor } from './own-executor.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-executor-'));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
let stands = 0;

/** A program in place of lab-executor: it keeps its words and environment, and does what `body` says. */
function stand(body: string) {
  const path = at(`stand-${++stands}.ts`);
  const seen = `${path}.json`;
  const intro = `require('node:fs').writeFileSync('${seen}', JSON.stringify({ argv: process.argv.slice(2), env: process.env }));`;
  writeFileSync(path, `${intro}\n${body}`);
  return {
    command: [process.execPath, path],
    seen: () => JSON.parse(readFileSync(seen, 'utf8')) as { argv: string[]; env: Record<string, string> },
  };
}
const ready = `console.log(JSON.stringify({ ready: true, pid: process.pid, levels: [] }));`;
const stay = `${ready} setInterval(() => {}, 1e6);`;

function start(command: readonly string[], clock = new FakeClock(), signal = new AbortController().signal) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(JSON.parse(line)) });
  const socketPath = at(`x-${stands}.sock`);
  const started = startOwnExecutor({
    socketPath,
    settings: readSandboxSettings(undefined),
    log,
    signal,
    clock,
    command,
  });
  return { started, lines, socketPath, clock };
}
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 4_000) throw new Error('it did not come to hold');
    await Bun.sleep(5);
  }
}
const pidOf = ({ state }: OwnExecutor) => (state.kind === 'ready' ? state.pid : 0);
const isAlive = (pid: number) => existsSync(`/proc/${pid}`);
const kindOf = ({ state }: { state: OwnExecutorState }) => state.kind;

describe('the executor of labctl up', () => {
  test('gets its settings as flags, nothing of our environment, and ends with us', async () => {
    const { command, seen } = stand(stay);
    process.env['SECRET_OF_TEST'] = 'x';
    const { started, socketPath } = start(command);
    const own = await started;
    const pid = pidOf(own);
    expect(isAlive(pid)).toBe(true);
    const { argv, env } = seen();
    const flags = '--pool=4 --min-level=L1 --level=auto --uid-base=900000'.split(' ');
    expect(argv).toEqual(['--owned', '--socket', socketPath, ...flags]);
    expect(Object.keys(env)).not.toContain('SECRET_OF_TEST');
    await own[Symbol.asyncDispose]();
    expect([isAlive(pid), kindOf(own)]).toEqual([false, 'stopped']);
    delete process.env['SECRET_OF_TEST'];
  });

  test('its log lines are ours, of the level they have; what a Ctrl-C at the terminal ends is not it', async () => {
    const { command } = stand(
      `console.error(JSON.stringify({ level: 40, time: 1, msg: 'careful', run: 'r1' })); console.error('text'); ${stay}`,
    );
    const { started, lines } = start(command);
    await using own = await started;
    await until(() => lines.length > 0);
    expect(lines[0]).toMatchObject({ level: 40, msg: 'careful', run: 'r1' });
    const group = readFileSync(`/proc/${pidOf(own)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ')[2];
    expect(Number(group)).toBe(pidOf(own));
  });

  test('comes back after a crash, later each time', async () => {
    const { command } = stand(stay);
    const { started, lines, clock } = start(command);
    await using own = await started;
    const waits: number[] = [];
    for (const restarts of [1, 2, 3]) {
      const pid = pidOf(own);
      process.kill(pid, 'SIGKILL');
      await until(() => kindOf(own) === 'restarting');
      const { state } = own;
      if (state.kind === 'restarting') waits.push(state.inMs);
      await clock.advance(45_000);
      await until(() => kindOf(own) === 'ready');
      expect([own.restarts, pidOf(own) === pid]).toEqual([restarts, false]);
    }
    expect(waits[0]).toBeLessThanOrEqual(1_500);
    expect(waits[2]).toBeGreaterThanOrEqual(2_000);
    expect(lines.map(({ msg, reason }) => [msg, reason])).toContainEqual([
      'the executor ended, starting it again',
      'it was ended by SIGKILL',
    ]);
  });

  test('is not started again where that cannot help', async () => {
    const flag = at('second');
    const { command } = stand(
      `if (require('node:fs').existsSync('${flag}')) { console.error('lab-executor: EXECUTOR_ON_NETWORK_NODE: x'); process.exit(8); } ${stay}`,
    );
    const { started, clock, lines } = start(command);
    await using own = await started;
    writeFileSync(flag, '');
    process.kill(pidOf(own), 'SIGKILL');
    await until(() => kindOf(own) === 'restarting');
    await clock.advance(45_000);
    await until(() => kindOf(own) === 'failed');
    expect(own.state).toEqual({ kind: 'failed', reason: 'lab-executor: EXECUTOR_ON_NETWORK_NODE: x' });
    expect(lines.at(-1)).toMatchObject({ level: 50, msg: 'the executor ended for good' });
  });

  test('that ends before it is ready says why, and nothing is left', async () => {
    const { command } = stand(`console.error('lab-executor: it cannot be'); process.exit(8);`);
    expect(await thrower(start(command).started)).toThrow('the executor could not start: lab-executor: it cannot be');
    const silent = stand(`process.exit(3);`);
    expect(await thrower(start(silent.command).started)).toThrow('it ended with code 3');
  });

  test('is ended when the start is called off', async () => {
    const { command, seen } = stand(`setInterval(() => {}, 1e6); console.error('pid ' + process.pid);`);
    const ending = new AbortController();
    const { started } = start(command, new FakeClock(), ending.signal);
    started.catch(() => undefined);
    await until(() => {
      try {
        return seen().argv.length > 0;
      } catch {
        return false;
      }
    });
    ending.abort(new Error('enough'));
    expect(await thrower(started)).toThrow('enough');
  });
});
