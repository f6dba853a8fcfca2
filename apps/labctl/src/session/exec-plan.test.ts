import { describe, expect, test } from 'bun:test';
import type { CommandError } from '../command-error.ts';
import { type ExecWish, type OwnTerminal, planExec, planMany } from './exec-plan.ts';

const plain: ExecWish = {
  argv: undefined,
  shell: undefined,
  login: undefined,
  cwd: undefined,
  env: [],
  timeoutMs: undefined,
  tty: false,
  stdin: undefined,
  detach: false,
  keepChildren: false,
  noRecord: false,
};
const nobody: OwnTerminal = {
  stdinIsTerminal: false,
  stdoutIsTerminal: false,
  stdinIsGiven: false,
  size: undefined,
  env: {},
};
const terminal: OwnTerminal = {
  stdinIsTerminal: true,
  stdoutIsTerminal: true,
  stdinIsGiven: false,
  size: { cols: 120, rows: 40 },
  env: { TERM: 'screen-256color' },
};
const uptime = { argv: ['uptime'] };
const refusal = (run: () => unknown): CommandError => {
  try {
    run();
  } catch (error) {
    return error as CommandError;
  }
  throw new Error('it was taken');
};

describe('a terminal where one makes sense (EX-3)', () => {
  const planned = (wish: Partial<ExecWish>, own: OwnTerminal) => {
    const { open, sendsInput } = planExec('web-1', { ...plain, ...wish }, own);
    return [open.tty !== null, sendsInput, open.stdin];
  };

  test.each([
    ['a login shell in a terminal', {}, terminal, [true, true, true]],
    ['a login shell without one', {}, nobody, [false, false, false]],
    ['a login shell that reads a script', {}, { ...nobody, stdinIsGiven: true }, [false, true, true]],
    ['a command in a terminal: keys stay here', uptime, terminal, [false, false, false]],
    ['-i', { ...uptime, stdin: true }, terminal, [false, true, true]],
    ['-t', { ...uptime, tty: true }, terminal, [true, true, true]],
    ['-t without a terminal', { ...uptime, tty: true }, nobody, [true, false, false]],
    ['a pipe is sent', uptime, { ...terminal, stdinIsTerminal: false, stdinIsGiven: true }, [false, true, true]],
    ['--no-stdin keeps it', { ...uptime, stdin: false }, { ...nobody, stdinIsGiven: true }, [false, false, false]],
    ['--shell is a command', { shell: 'a | b' }, terminal, [false, false, false]],
    ['stdout is a pipe: no terminal unless asked', {}, { ...terminal, stdoutIsTerminal: false }, [false, true, true]],
    ['--detach', { ...uptime, detach: true }, { ...nobody, stdinIsGiven: true }, [false, false, false]],
    ['--detach of a shell', { detach: true }, terminal, [false, false, false]],
  ] as const)('%s', (_, wish, own, wanted) => {
    expect(planned(wish as Partial<ExecWish>, own)).toEqual([...wanted]);
  });

  test('its size and kind are ours, or usual ones', () => {
    const tty = (own: OwnTerminal) => planExec('a', { ...plain, tty: true }, own).open.tty;
    expect(tty(terminal)).toEqual({ term: 'screen-256color', cols: 120, rows: 40 });
    expect(tty(nobody)).toEqual({ term: 'xterm-256color', cols: 80, rows: 24 });
    expect(tty({ ...terminal, env: { TERM: 'x\u001b[2J' } })?.term).toBe('xterm-256color');
  });
});

describe('what is asked of labd (EX-1)', () => {
  test('all of it', () => {
    const { open } = planExec(
      'web-1',
      { ...plain, argv: ['a', '--b', ''], login: 'deploy', cwd: '/srv', env: ['A=1=2', 'HERE'], timeoutMs: 1_000 },
      { ...nobody, env: { HERE: 'x' } },
    );
    expect(open).toMatchObject({
      kind: 'exec',
      server: 'web-1',
      argv: ['a', '--b', ''],
      login: 'deploy',
      cwd: '/srv',
      env: { A: '1=2', HERE: 'x' },
      timeoutMs: 1_000,
    });
    expect(open.shell).toBeUndefined();
  });

  test.each([
    [{ env: ['LD_PRELOAD=/x'] }, '--env: LD_*, BASH_ENV and ENV are refused'],
    [{ env: ['NOT_HERE'] }, '--env "NOT_HERE" gives no value'],
    [{ env: ['=x'] }, '--env "=x" gives no value'],
    [{ cwd: 'srv' }, '--cwd: is not absolute'],
    [{ login: 'Root User' }, '--login: is not an account name'],
    [{ argv: [] }, 'the command behind -- is missing'],
    [{ argv: ['x'.repeat(200_000)] }, 'the command: is larger than 128 KiB'],
    [{ argv: ['a\0b'] }, 'the command: holds a NUL byte'],
    [{ timeoutMs: 1e12, argv: ['a'] }, '--timeout: '],
  ])('%j is refused before anything goes out', (wish, message) => {
    const error = refusal(() => planExec('web-1', { ...plain, ...wish }, nobody));
    expect(error.message).toStartWith(message);
    expect(error.exitCode).toBe(2);
  });

  test('many servers: a command, pipes, one job (FO-1, FO-2)', () => {
    const job = '01900000-0000-7000-8000-00000000000f';
    expect(planMany({ ...plain, ...uptime }, {}, job)).toMatchObject({
      argv: ['uptime'],
      tty: null,
      stdin: false,
      job,
    });
    expect(refusal(() => planMany(plain, {}, job)).message).toBe('a login shell is for one server');
    for (const wish of [{ tty: true }, { stdin: true }, { detach: true }]) {
      expect(refusal(() => planMany({ ...plain, ...uptime, ...wish }, {}, job)).exitCode).toBe(2);
    }
  });
});
