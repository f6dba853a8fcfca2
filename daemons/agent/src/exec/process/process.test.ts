import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { execOpen, execToEnd, startExec } from '../../testing/client.ts';
import { cgroupsIn, delegatedRoot, openCgroups } from './cgroup.ts';
import { commandOf, findProgram } from './command.ts';
import { makePipe, makeTerminal, setTerminalSize, typingMode } from './libc.ts';
import { InputSink, outputSource } from './pipe-ends.ts';
import { foregroundGroup, groupsOfSession, signalGroup } from './process-group.ts';
import { processEnd } from './spawned.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-process-'));
afterAll(() => rmSync(folder, { recursive: true }));
const isRoot = process.getuid?.() === 0;
const account = { name: 'ann', uid: 1000, gid: 1000, home: folder, shell: '/bin/sh' };

describe('EX-1 the command', () => {
  test('argv, shell, login shell; what runs it as another account stands before', () => {
    const argvOf = (wanted: object, prefix: string[] = []) => commandOf(execOpen(wanted), account, prefix, {}).argv;
    expect(argvOf({ argv: ['ls', '-l'] })).toEqual(['ls', '-l']);
    expect(argvOf({ shell: 'a; b' })).toEqual(['/bin/sh', '-c', 'a; b']);
    expect(argvOf({})).toEqual(['/bin/sh', '-l']);
    expect(argvOf({ argv: ['ls'] }, ['setpriv', '--'])).toEqual(['setpriv', '--', 'ls']);
  });

  test('environment: login names, locale and PATH of the agent, what the caller set last', () => {
    const base = {
      PATH: '/opt/bin',
      LANG: 'C.UTF-8',
      LC_TIME: 'de',
      TZ: 'UTC',
      SECRET: 's',
      HOME: '/agent',
      X: undefined,
    };
    const tty = { term: 'xterm', cols: 80, rows: 24 };
    const session = Bun.randomUUIDv7();
    const { env, owner, cwd } = commandOf(execOpen({ tty, session, env: { TZ: 'EST' } }), account, [], base);
    expect(env).toEqual({
      PATH: '/opt/bin',
      LANG: 'C.UTF-8',
      LC_TIME: 'de',
      TZ: 'EST',
      HOME: folder,
      USER: 'ann',
      LOGNAME: 'ann',
      SHELL: '/bin/sh',
      TERM: 'xterm',
      LABMESH_SESSION: session,
    });
    expect([owner, cwd]).toEqual([1000, folder]);
    expect(commandOf(execOpen({}), { ...account, home: '/none' }, [], {}).cwd).toBe('/');
    expect(commandOf(execOpen({ cwd: '/tmp' }), account, [], {}).cwd).toBe('/tmp');
  });

  test('the program is looked up as execvp does, by the command’s own PATH and folder', () => {
    const [bin, other] = [join(folder, 'bin'), join(folder, 'other')];
    for (const path of [bin, other]) mkdirSync(path, { recursive: true });
    writeFileSync(join(bin, 'tool'), '', { mode: 0o644 });
    writeFileSync(join(other, 'tool'), '');
    chmodSync(join(other, 'tool'), 0o755);
    mkdirSync(join(bin, 'dir'), { recursive: true });
    symlinkSync('none', join(bin, 'dangling'));
    const find = (name: string, path = `${bin}:${other}`) =>
      findProgram({ argv: [name], cwd: folder, env: { PATH: path }, owner: 0 });
    expect(find('tool')).toEqual({ found: join(other, 'tool') });
    expect(find('tool', bin)).toMatchObject({ code: 126 });
    expect(find('tool', 'other')).toEqual({ found: join(other, 'tool') });
    expect(find('./other/tool')).toEqual({ found: join(other, 'tool') });
    expect(find('dir')).toMatchObject({ code: 127 });
    expect(find('./bin/dir')).toMatchObject({ code: 126 });
    expect(find('dangling')).toMatchObject({ code: 127 });
    expect(find('tool/x/y')).toMatchObject({ code: 127 });
    expect(find('')).toMatchObject({ code: 127 });
  });
});

describe('pipes', () => {
  test('bytes go through in order, an end is an end, and nothing stays open', async () => {
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 20; i++) {
      const { read, write } = makePipe();
      const [source, sink] = [outputSource(1, read), new InputSink(write)];
      void sink.write(new Uint8Array(200_000).fill(i)).then(() => sink.end());
      let count = 0;
      for (let bytes = await source.read(); bytes !== undefined; bytes = await source.read()) {
        expect(bytes.every((byte) => byte === i)).toBe(true);
        count += bytes.length;
      }
      expect(count).toBe(200_000);
    }
    await Bun.sleep(50);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 1);
  });

  test('a writer waits for its reader, and stops when there is none', async () => {
    const { read, write } = makePipe();
    const sink = new InputSink(write);
    let isDone = false;
    const writing = sink.write(new Uint8Array(500_000)).then(() => (isDone = true));
    await Bun.sleep(100);
    expect(isDone).toBe(false);
    closeSync(read);
    await writing;
    await sink.write(new Uint8Array(10));
  });

  test('closing ends a read that waits', async () => {
    const { read, write } = makePipe();
    const source = outputSource(2, read);
    const reading = source.read();
    source.close();
    expect(await reading).toBeUndefined();
    closeSync(write);
  });

  test('no child inherits our ends', async () => {
    const { read, write } = makePipe();
    const terminal = makeTerminal(80, 24);
    const { text } = await execToEnd({ shell: 'ls /proc/self/fd | wc -l' });
    // 0, 1, 2 and the folder that ls reads.
    expect(Number(text)).toBe(4);
    for (const fd of [read, write, terminal.master, terminal.slave]) closeSync(fd);
  });
});

describe('terminals', () => {
  test('a pair: size, modes, name', async () => {
    const { master, slave, path } = makeTerminal(100, 30);
    expect(path).toMatch(/^\/dev\/pts\/\d+$/);
    expect(typingMode(master)).toBe('lines');
    const size = () => Bun.spawnSync(['stty', 'size'], { stdin: slave }).stdout.toString();
    expect(size()).toBe('30 100\n');
    setTerminalSize(master, 120, 40);
    expect(size()).toBe('40 120\n');
    const modes = Bun.spawnSync(['stty', '-a'], { stdin: slave }).stdout.toString();
    expect(modes).toContain(' iutf8');
    Bun.spawnSync(['stty', 'raw'], { stdin: slave });
    expect(typingMode(master)).toBe('keys-shown');
    Bun.spawnSync(['stty', '-echo'], { stdin: slave });
    expect(typingMode(master)).toBe('keys');
    writeSync(slave, 'x');
    closeSync(slave);
    closeSync(master);
  });

  test('it is the command’s own: job control works, the agent has none', async () => {
    const tty = { term: 'xterm', cols: 80, rows: 24 };
    const ownTerminal = () => readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[4];
    const before = ownTerminal();
    const { text } = await execToEnd({ shell: 'tty; cat /proc/$$/stat', tty });
    const [name, stat = ''] = text.split('\r\n');
    expect(name).toMatch(/^\/dev\/pts\/\d+$/);
    const fields = stat.split(') ')[1]?.split(' ') ?? [];
    // The group in the terminal's foreground is the command's own.
    expect(fields[5]).toBe(fields[2]);
    expect(ownTerminal()).toBe(before);
  });

  test('^C and ^Z arrive as signals', async () => {
    const tty = { term: 'xterm', cols: 80, rows: 24 };
    const { client } = await startExec({ shell: 'echo on; exec sleep 60', tty, stdin: true });
    await client.until((out) => out.includes('on'));
    await client.send('\u0003');
    await client.closed;
    expect(client.exit?.signal).toBe('INT');
  });
});

describe('the end of input on a terminal', () => {
  const tty = { term: 'xterm', cols: 80, rows: 24 };
  /** Input ends once the command has said `on`. */
  const endAt = async (shell: string) => {
    const { client } = await startExec({ shell, tty, stdin: false });
    await client.until((out) => out.includes('on'));
    client.channel.end(0);
    await client.closed;
    return { text: client.out.toString(), code: client.exit?.code };
  };

  test('lines end', async () => {
    expect(await endAt('printf on; cat; exit 3')).toEqual({ text: 'on', code: 3 });
  });
  test('a program that reads keys gets ^D', async () => {
    const { text } = await endAt('stty raw -echo; printf on; head -c 1 | od -An -tx1');
    expect(text).toContain(' 04');
  });
  test('a terminal that shows keys as bytes gets no byte more', async () => {
    expect(await endAt('stty raw; printf on; sleep 0.2; exit 4')).toEqual({ text: 'on', code: 4 });
  });
});

describe('process groups', () => {
  test('never everyone, never ourselves', () => {
    for (const group of [0, 1, -1, Number.NaN, 1.5]) expect(signalGroup(group, 'CONT')).toBe(false);
    expect(signalGroup(2 ** 22 - 1, 'CONT')).toBe(false);
  });

  test('the groups of a session, and the one in the foreground', async () => {
    const child = Bun.spawn(['sh', '-c', 'setsid -w sleep 5 & sleep 5 & wait'], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    await Bun.sleep(100);
    expect(await groupsOfSession(child.pid)).toEqual([child.pid]);
    expect(foregroundGroup(child.pid)).toBe(child.pid);
    expect(foregroundGroup(2 ** 22 - 1)).toBe(2 ** 22 - 1);
    expect(signalGroup(child.pid, 'KILL')).toBe(true);
    await child.exited;
  });

  test('how an end is told', () => {
    expect(processEnd(3, null)).toEqual({ code: 3, signal: null });
    expect(processEnd(null, 'SIGSEGV')).toEqual({ code: null, signal: 'SEGV' });
    expect(processEnd(null, 40)).toEqual({ code: null, signal: '40' });
  });
});

describe('EX-2 cgroups', () => {
  const parts = { clock: systemClock, log: silentLogger };
  /** A cgroup v2 hierarchy that we may write to. */
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2')?.[1];
  const has = isRoot && mount !== undefined;

  test('only a service’s own cgroup is ours to divide', () => {
    const files = (cgroup: string, mounts: string) => {
      writeFileSync(join(folder, 'cgroup'), cgroup);
      writeFileSync(join(folder, 'mounts'), mounts);
      return delegatedRoot({ cgroup: join(folder, 'cgroup'), mounts: join(folder, 'mounts') });
    };
    const v2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n';
    expect(files('0::/system.slice/lab-agent.service\n', v2)).toBe('/sys/fs/cgroup/system.slice/lab-agent.service');
    expect(files('0::/\n', v2)).toBeUndefined();
    expect(files('0::/user.slice/user-0.slice/session-1.scope\n', v2)).toBeUndefined();
    expect(files('0::/system.slice/lab-agent.service\n', 'cgroup /x cgroup rw 0 0\n')).toBeUndefined();
    expect(delegatedRoot({ cgroup: '/none', mounts: '/none' })).toBeUndefined();
    expect(openCgroups(join(folder, 'no/such'), parts)).toBeUndefined();
  });

  test.skipIf(!has)(
    'a command has its leaf, and what left its group dies with it (needs root and cgroup v2)',
    async () => {
      const root = join(mount!, `labmesh-test-${process.pid}`);
      mkdirSync(root);
      try {
        const cgroups = cgroupsIn(root, parts);
        const shell = 'grep "^0::" /proc/self/cgroup; setsid sleep 63 >/dev/null 2>&1 & sleep 0.2; echo';
        const session = Bun.randomUUIDv7();
        const { text } = await execToEnd({ shell, session }, undefined, {}, { cgroups });
        expect(text).toContain(`/labmesh-test-${process.pid}/exec-${session}`);
        const before = performance.now();
        while (readdirSync(root).some((name) => name.startsWith('exec-')) && performance.now() - before < 5000)
          await Bun.sleep(20);
        expect(existsSync(join(root, `exec-${session}`))).toBe(false);
      } finally {
        rmdirSync(root);
      }
    },
    20_000,
  );

  test.skipIf(!has)('a leaf that cannot be made is no reason not to run (needs root and cgroup v2)', async () => {
    const { text } = await execToEnd(
      { shell: 'echo hi', session: Bun.randomUUIDv7() },
      undefined,
      {},
      { cgroups: cgroupsIn(join(mount!, 'none'), parts) },
    );
    expect(text).toBe('hi\n');
  });
});
