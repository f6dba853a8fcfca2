import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Refused } from '../session-run.ts';
import { execOpen, execToEnd, startExec, testWorld } from '../testing/client.ts';
import { openExec } from './run-exec.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-exec-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string, mode = 0o755) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
const tty = { term: 'xterm', cols: 80, rows: 24 };

describe('EX-1 what runs', () => {
  test('argv as it is, without a shell', async () => {
    const { text, exit } = await execToEnd({ argv: ['printf', '%s|', 'a b', '$HOME', '*', ''] });
    expect(text).toBe('a b|$HOME|*||');
    expect(exit).toMatchObject({ code: 0, signal: null, timedOut: false, drained: true });
  });

  test('shell by /bin/sh -c', async () => {
    expect((await execToEnd({ shell: 'echo $((1+1)); exit 3' })).text).toBe('2\n');
  });

  test('without a command the login shell, which reads its stdin', async () => {
    const { accounts } = testWorld();
    const self = { ...accounts.self, shell: '/bin/sh' };
    const script = 'echo "in $PWD as $0"; exit 4\n';
    const { text, exit } = await execToEnd({ stdin: true }, script, {}, { accounts: { ...accounts, self } });
    expect(text).toContain('in /');
    expect(exit?.code).toBe(4);
  });

  test('the name it was called by stays argv[0]', async () => {
    expect((await execToEnd({ argv: ['sh', '-c', 'tr "\\0" " " < /proc/$$/cmdline'] })).text).toStartWith('sh -c');
  });

  test('environment: the account’s and the caller’s, not the agent’s', async () => {
    process.env['LABMESH_TEST_SECRET'] = 'x';
    const { text } = await execToEnd({ argv: ['env'], env: { A: '1', PATH: '/usr/bin:/bin' } });
    delete process.env['LABMESH_TEST_SECRET'];
    expect(text).not.toContain('LABMESH_TEST_SECRET');
    for (const line of ['A=1', 'PATH=/usr/bin:/bin', 'HOME=', 'USER=', 'LOGNAME=', 'SHELL=']) {
      expect(text).toContain(line);
    }
    expect(text).not.toContain('TERM=');
  });

  test('cwd, and a refusal when it is not there', async () => {
    expect((await execToEnd({ argv: ['pwd'], cwd: folder })).text).toBe(`${folder}\n`);
    expect(await thrower(openExec(execOpen({ cwd: join(folder, 'none') }), testWorld()))).toThrow('working directory');
  });
});

describe('EX-2 what cannot run', () => {
  test.each([
    ['not in PATH', ['no-such-program'], 127, 'no-such-program: command not found\n'],
    ['no such file', ['./none'], 127, './none: no such file or directory\n'],
    ['a folder', [tmpdir()], 126, `${tmpdir()}: is a directory\n`],
  ])('%s', async (_, argv, code, err) => {
    const ended = await execToEnd({ argv, cwd: folder });
    expect(ended.exit).toMatchObject({ code, signal: null, drained: true });
    expect(ended.err.toString()).toBe(err);
    expect(ended.ending.reason).toBe('ok');
  });

  test('not executable: 126', async () => {
    const path = file('plain', 'text', 0o644);
    const { exit, err } = await execToEnd({ argv: [path] });
    expect(exit?.code).toBe(126);
    expect(err.toString()).toContain('permission denied');
    const byPath = await execToEnd({ argv: ['plain'], env: { PATH: folder } });
    expect(byPath.exit?.code).toBe(126);
  });

  test('on a terminal the text is on its one stream', async () => {
    const { exit, out, err } = await execToEnd({ argv: ['no-such-program'], tty });
    expect(exit?.code).toBe(127);
    expect(out.toString()).toContain('command not found');
    expect(err).toHaveLength(0);
  });

  test('a script without #! line runs by sh', async () => {
    const path = file('script', 'echo "$# $1"\n');
    expect((await execToEnd({ argv: [path, 'x', 'y'] })).text).toBe('2 x\n');
  });

  test('AG-3 an account left out, and one that is not there', async () => {
    const refusal = (options: object, wanted = {}) =>
      openExec(execOpen(wanted), testWorld(options)).then(
        () => 'taken',
        (error) => (error as Refused).reason,
      );
    expect(await refusal({ logins: ['deploy', 'app-*'] })).toBe('denied');
    expect(await refusal({ logins: ['nobody'] }, { login: 'no-such-account' })).toBe('denied');
    expect(await refusal({}, { login: 'no-such-account' })).toBe('user-unknown');
  });

  const isRoot = process.getuid?.() === 0;
  test.skipIf(!isRoot)('another account with its groups (needs root)', async () => {
    const { text, exit } = await execToEnd({ shell: 'id -un; id -Gn; echo $HOME $USER', login: 'nobody' });
    expect(text.split('\n')).toEqual(['nobody', 'nogroup', '/nonexistent nobody', '']);
    expect(exit?.code).toBe(0);
  });
  test.skipIf(!isRoot)('another account on a terminal can open it by name (needs root)', async () => {
    const { text } = await execToEnd({
      shell: 'tty >/dev/null && echo hi > /dev/stderr; id -un',
      login: 'nobody',
      tty,
    });
    expect(text).toBe('hi\r\nnobody\r\n');
  });
  test.skipIf(!isRoot)('127 and 126 also there (needs root)', async () => {
    expect((await execToEnd({ argv: ['/none'], login: 'nobody' })).exit?.code).toBe(127);
    expect((await execToEnd({ argv: ['/etc/shadow'], login: 'nobody' })).exit?.code).toBe(126);
  });
});

describe('EX-3 streams', () => {
  test('stdout and stderr apart, by name too: they are pipes', async () => {
    const { out, err } = await execToEnd({ shell: 'echo a; echo b >&2; echo c > /dev/stdout; echo d > /dev/stderr' });
    expect(out.toString()).toBe('a\nc\n');
    expect(err.toString()).toBe('b\nd\n');
  });

  test('1 MiB of random bytes through cat comes back the same, with its sums', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(65536));
    const input = Buffer.concat(Array.from({ length: 16 }, () => bytes));
    const { out, exit } = await execToEnd({ argv: ['cat', '/dev/stdin'] }, input);
    expect(out.equals(input)).toBe(true);
    expect(exit?.bytes).toEqual({ in: input.length, out: input.length, err: 0 });
    expect(exit?.sha256).toEqual({ in: sha256(input), out: sha256(input) });
  });

  test('a command that does not read its stdin ends all the same', async () => {
    const { exit } = await execToEnd({ argv: ['true'] }, new Uint8Array(200_000));
    expect(exit?.code).toBe(0);
  });

  test('stdin that never ends holds nothing up', async () => {
    const { client } = await startExec({ shell: 'sleep 0.2; exit 5', stdin: true });
    void client.send(new Uint8Array(1_000_000)).catch(() => {});
    await client.closed;
    expect(client.exit?.code).toBe(5);
  });

  test('without stdin it is empty', async () => {
    expect((await execToEnd({ argv: ['wc', '-c'] })).text.trim()).toBe('0');
  });

  test('a terminal: size, RESIZE, one stream', async () => {
    const { client } = await startExec({ shell: 'stty size; read x; stty size; echo err >&2', tty, stdin: true });
    await client.until((out) => out.includes('24 80'));
    client.channel.sendResize(120, 40);
    await client.send('\n');
    await client.closed;
    expect(client.out.toString()).toContain('40 120\r\nerr\r\n');
    expect(client.err).toHaveLength(0);
  });

  test('a terminal: ^D ends input, also in the middle of a line', async () => {
    for (const input of ['hello\n', 'hello']) {
      const { text, exit } = await execToEnd({ shell: 'stty -echo; echo ready; cat; echo over', tty }, input);
      expect(text).toContain('hello');
      expect(text).toEndWith('over\r\n');
      expect(exit?.code).toBe(0);
    }
  });

  test('a terminal takes long input whole', async () => {
    const { client } = await startExec({
      shell: 'stty raw -echo; echo ready; head -c 300000 | sha256sum',
      tty,
      stdin: true,
    });
    await client.until((out) => out.includes('ready'));
    const input = Buffer.alloc(300_000, 'abcdefghij');
    await client.send(input);
    await client.closed;
    expect(client.out.toString()).toContain(sha256(input));
  });
});

describe('EX-4 the end', () => {
  test('kill -9 $$ is signal KILL', async () => {
    for (const where of [null, tty]) {
      const { exit } = await execToEnd({ shell: 'kill -9 $$', tty: where });
      expect(exit).toMatchObject({ code: null, signal: 'KILL', timedOut: false });
    }
  });

  test('a child left behind that holds the pipe: all output, then the end after the silence', async () => {
    const started = performance.now();
    const { text, exit } = await execToEnd({ shell: 'echo hi; sleep 30 &' }, undefined, { drainMs: 300 });
    expect(text).toBe('hi\n');
    expect(exit).toMatchObject({ code: 0, drained: false });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('a child left behind that still writes is waited for', async () => {
    const shell = '(for i in 1 2 3 4 5 6; do sleep 0.2; echo $i; done) & echo first';
    const { text, exit } = await execToEnd({ shell }, undefined, { drainMs: 1000 });
    expect(text).toBe('first\n1\n2\n3\n4\n5\n6\n');
    expect(exit).toMatchObject({ code: 0, drained: true });
  });

  test('silence before the end is no silence after it', async () => {
    const { text, exit } = await execToEnd({ shell: 'sleep 0.5; echo hi' }, undefined, { drainMs: 50 });
    expect(text).toBe('hi\n');
    expect(exit?.drained).toBe(true);
  });

  /** Killed ones may stay as zombies where process 1 does not reap. */
  const isAlive = (pid: string) =>
    existsSync(`/proc/${pid}`) && !/^State:\sZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  test('EX-5 the rest of the group is killed, unless it may stay', async () => {
    const shell = 'sleep 61 >/dev/null 2>&1 & echo $!';
    const killed = (await execToEnd({ shell })).text.trim();
    await Bun.sleep(50);
    expect(isAlive(killed)).toBe(false);
    const kept = (await execToEnd({ shell, keepChildren: true })).text.trim();
    await Bun.sleep(50);
    expect(isAlive(kept)).toBe(true);
    process.kill(Number(kept), 'SIGKILL');
  });

  test('EX-5 on a terminal the jobs of an interactive shell are killed too', async () => {
    const { client } = await startExec({ argv: ['bash', '--norc', '-i'], tty, stdin: true });
    await client.send('sleep 62 & echo "pid:$!"; trap "" HUP; exit\n');
    await client.closed;
    const pid = /pid:(\d+)/.exec(client.out.toString())?.[1] ?? '';
    await Bun.sleep(300);
    expect(pid).not.toBe('');
    expect(isAlive(pid)).toBe(false);
  });
});

describe('EX-5 signals and timeouts', () => {
  test.each(['HUP', 'INT', 'QUIT', 'TERM', 'USR1', 'USR2'] as const)('%s reaches the group', async (name) => {
    const { client } = await startExec({ shell: 'echo on; exec sleep 60' });
    await client.until((out) => out.includes('on'));
    client.channel.sendSignal(name);
    await client.closed;
    expect(client.exit).toMatchObject({ code: null, signal: name });
  });

  test('a trap hears it', async () => {
    const { client } = await startExec({
      shell: 'trap "echo got; exit 9" USR1; echo on; while :; do sleep 0.05; done',
    });
    await client.until((out) => out.includes('on'));
    client.channel.sendSignal('USR1');
    await client.closed;
    expect(client.exit?.code).toBe(9);
  });

  test('on a terminal the foreground job gets it, not the shell', async () => {
    const { client } = await startExec({ argv: ['bash', '--norc', '-i'], tty, stdin: true });
    await client.send('echo "a"b; sleep 60; echo "after"$((1+1))\n');
    await client.until((out) => out.includes('ab'));
    await Bun.sleep(200);
    client.channel.sendSignal('TERM');
    await client.until((out) => out.includes('after2'));
    await client.send('exit 3\n');
    await client.closed;
    expect(client.exit?.code).toBe(3);
  });

  test('timeout: TERM, then KILL for what ignores it', async () => {
    const polite = await execToEnd({ argv: ['sleep', '60'], timeoutMs: 200 });
    expect(polite.exit).toMatchObject({ code: null, signal: 'TERM', timedOut: true });
    const shell = 'trap "" TERM; echo on; while :; do sleep 0.05; done';
    const stubborn = await execToEnd({ shell, timeoutMs: 200 }, undefined, { killAfterMs: 200 });
    expect(stubborn.exit).toMatchObject({ code: null, signal: 'KILL', timedOut: true });
  });

  test('a child that left the group and writes for ever does not outlive the timeout', async () => {
    const shell = 'setsid sh -c "while :; do echo x; sleep 0.1; done" & echo pid:$!; sleep 0.1';
    const { exit, text } = await execToEnd({ shell, timeoutMs: 500 }, undefined, { killAfterMs: 100, drainMs: 300 });
    expect(exit).toMatchObject({ code: 0, timedOut: true, drained: false });
    expect(text).toContain('x\n');
  });
});
