/** labctl as a process against a labd in this one, with the agent's own code behind it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalLabd } from '../../session/testing/local-labd.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-sessions-'));
const socket = join(folder, 'a.sock');
const labctl = [process.execPath, join(import.meta.dir, '../../main.ts')];
const labd = new LocalLabd();
beforeAll(() => labd.listen(socket));
afterAll(async () => {
  await labd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
const env = {
  PATH: process.env['PATH'] ?? '',
  HOME: folder,
  LABCTL_ADMIN_SOCKET: socket,
  TERM: 'xterm-256color',
  LANG: 'C.UTF-8',
};
const noTerminalTool = Bun.which('stty') === null;
const slow = 30_000;

async function run(words: string[], stdin?: Uint8Array) {
  const child = Bun.spawn([...labctl, '--local', ...words], {
    cwd: folder,
    env,
    stdin: stdin === undefined ? 'ignore' : new Blob([Uint8Array.from(stdin)]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err, code] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
  return { out: Buffer.from(out), text: Buffer.from(out).toString(), err, code };
}
/** `exec web-1 -- …` */
const exec = (argv: string[], stdin?: Uint8Array) => run(['exec', 'web-1', '--', ...argv], stdin);

/** A program in a terminal of its own. */
class Terminal implements AsyncDisposable {
  out = '';
  readonly child: Bun.Subprocess;
  constructor(command: string[]) {
    const decoder = new TextDecoder();
    this.child = Bun.spawn(command, {
      cwd: folder,
      env,
      terminal: { cols: 100, rows: 30, data: (_, bytes) => void (this.out += decoder.decode(bytes, { stream: true })) },
    });
  }
  async says(text: string): Promise<void> {
    const until = performance.now() + 15_000;
    while (!this.out.includes(text)) {
      if (performance.now() > until)
        throw new Error(`it did not say ${JSON.stringify(text)}: ${JSON.stringify(this.out)}`);
      await Bun.sleep(10);
    }
  }
  type(text: string): void {
    this.child.terminal?.write(text);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.child.exited;
  }
}
const inTerminal = (...words: string[]) => new Terminal([...labctl, ...words]);

describe('exec as a process (EX-3, EX-6)', () => {
  test(
    '1 MiB through cat, then the end of input',
    async () => {
      const bytes = randomBytes(1024 * 1024);
      const { out, code } = await exec(['cat'], bytes);
      expect([code, out.equals(bytes)]).toEqual([0, true]);
    },
    slow,
  );

  test.each([
    [['sh', '-c', 'exit 0'], 0],
    [['sh', '-c', 'exit 255'], 255],
    [['sh', '-c', 'kill -9 $$'], 137],
    [['no-such-command'], 127],
  ])('%j ends with %d', async (argv, wanted) => expect((await exec(argv)).code).toBe(wanted), slow);

  test(
    '--timeout ends it with 124, --shell and --env reach it',
    async () => {
      const late = await run(['exec', 'web-1', '--timeout', '300ms', '--shell', 'sleep 60']);
      expect(late.code).toBe(124);
      const said = await run(['exec', 'web-1', '-e', 'A=b c', '--shell', 'echo "$A"; echo e >&2']);
      expect([said.text, said.err, said.code]).toEqual(['b c\n', 'e\n', 0]);
    },
    slow,
  );

  test(
    'our own failures are 255 with the code on stderr, words are 2',
    async () => {
      const denied = await run(['exec', 'web-1', '--login', 'nobody-here', '--', 'true'].slice(0, 4));
      expect([denied.code, denied.err]).toEqual([255, expect.stringContaining('(USER_UNKNOWN)')]);
      const gone = Bun.spawnSync([...labctl, 'exec', 'web-1', '--local', '--', 'true'], {
        env: { ...env, LABCTL_ADMIN_SOCKET: join(folder, 'none') },
      });
      expect([gone.exitCode, gone.stderr.toString()]).toEqual([
        255,
        expect.stringContaining('there is no such socket'),
      ]);
      expect((await run(['exec'])).code).toBe(2);
      expect((await run(['exec', 'user/alice'])).code).toBe(2);
      expect((await run(['exec', 'web-1', '-e', 'LD_PRELOAD=x', '-c', 'true'])).code).toBe(2);
    },
    slow,
  );

  test(
    '| head: no word, 141',
    async () => {
      const script = `${labctl.join(' ')} exec web-1 --local -- yes | head -1; echo "\${PIPESTATUS[0]}"`;
      const { stdout, stderr } = Bun.spawn(['bash', '-c', script], { env, stdout: 'pipe', stderr: 'pipe' });
      expect(await Promise.all([stdout.text(), stderr.text()])).toEqual(['y\n141\n', '']);
    },
    slow,
  );

  test(
    'cuts while it runs: byte-exact, and the true code (P3)',
    async () => {
      const bytes = randomBytes(3_000_000);
      const running = exec(['sh', '-c', 'cat; exit 9'], bytes);
      let isOver = false;
      void running.finally(() => (isOver = true));
      while (labd.sockets.links.size === 0) await Bun.sleep(5);
      await Bun.sleep(100);
      for (let cut = 0; cut < 10 && !isOver; cut++) {
        labd.sockets.cut();
        await Bun.sleep(30);
      }
      const { out, code } = await running;
      expect([code, out.equals(bytes)]).toEqual([9, true]);
    },
    slow,
  );

  test(
    'many servers: found by the API, run by the agent, summed up (FO-1, FO-4)',
    async () => {
      const server = (index: number) => ({
        id: `01900000-0000-7000-8000-00000000000${index}`,
        hostname: `web-${index}`,
        status: 'online',
        lastSeenAt: null,
      });
      labd.answer = (request) =>
        request === 'POST /api/servers/resolve'
          ? { json: { targets: [server(1), server(2)], denied: [], unknown: [] } }
          : { status: 404, json: {} };
      const { text, err, code } = await run(['exec', 'web-1,web-2', '-c', 'echo hi; exit 3']);
      expect(text.split('\n').toSorted()).toEqual(['', 'web-1 | hi', 'web-2 | hi']);
      expect(err).toContain('failed 2: web-1 (exit 3), web-2 (exit 3)');
      expect(code).toBe(1);
    },
    slow,
  );
});

describe('exec in a terminal (needs stty)', () => {
  test.skipIf(noTerminalTool)(
    'a login shell: our size, keys, Ctrl-C as a byte, its code',
    async () => {
      await using shell = inTerminal('exec', 'web-1', '-t', '--local', '-c', 'PS1="ready> " exec sh -i');
      await shell.says('ready> ');
      shell.type('stty size\r');
      await shell.says('30 100');
      shell.child.terminal?.resize(120, 40);
      await Bun.sleep(200);
      shell.type('stty size\r');
      await shell.says('40 120');
      shell.type('sleep 60\r');
      await Bun.sleep(300);
      shell.type('\u0003');
      await Bun.sleep(100);
      shell.type('echo after $((1+1)); exit 9\r');
      await shell.says('after 2');
      expect(await shell.child.exited).toBe(9);
    },
    slow,
  );

  test.skipIf(noTerminalTool).each(['exit', 'TERM', 'HUP', 'INT'] as const)(
    'the terminal is as before after %s',
    async (how) => {
      const state = (name: string) => `stty -a > ${join(folder, name)}`;
      const far = `echo 'ready'; ${how === 'exit' ? 'exit 4' : 'exec sleep 60'}`;
      const words = `exec web-1 -t --local -c "${far}"`;
      await using shell = new Terminal([
        'sh',
        '-c',
        `${state('before')}; ${labctl.join(' ')} ${words}; echo "rc $?"; ${state('after')}`,
      ]);
      await shell.says('ready');
      if (how !== 'exit') {
        await Bun.sleep(300);
        const pids = Bun.spawnSync(['pgrep', '-P', String(shell.child.pid)])
          .stdout.toString()
          .trim()
          .split('\n');
        process.kill(Number(pids[0]), `SIG${how}`);
      }
      const codes = { exit: 4, TERM: 143, HUP: 129, INT: 130 } as const;
      await shell.says(`rc ${codes[how]}`);
      await shell.child.exited;
      expect(readFileSync(join(folder, 'after'), 'utf8')).toBe(readFileSync(join(folder, 'before'), 'utf8'));
    },
    slow,
  );

  test.skipIf(noTerminalTool)(
    'a far line feed stays one: only the far side makes lines',
    async () => {
      await using shell = inTerminal('exec', 'web-1', '-t', '--local', '-c', 'stty -opost; printf "a\\nb<"');
      await shell.says('b<');
      expect(shell.out).toBe('a\nb<');
    },
    slow,
  );

  test.skipIf(noTerminalTool)(
    'a command without a terminal: Ctrl-C goes as INT, a second one ends it',
    async () => {
      const loop = 'echo ready; while :; do sleep 0.05; done';
      await using heard = inTerminal('exec', 'web-1', '--local', '-c', `trap "exit 42" INT; ${loop}`);
      await heard.says('ready');
      heard.type('\u0003');
      expect(await heard.child.exited).toBe(42);
      await using deaf = inTerminal('exec', 'web-1', '--local', '-c', `trap "" INT; ${loop}`);
      await deaf.says('ready');
      deaf.type('\u0003');
      await Bun.sleep(300);
      deaf.type('\u0003');
      expect(await deaf.child.exited).toBe(130);
    },
    slow,
  );
});

describe('the other commands of a session as processes', () => {
  test(
    '--detach prints the session; attach shows what was said and ends with its code (EX-8)',
    async () => {
      const begun = await run(['exec', 'web-1', '-d', '-q', '-c', 'echo one; sleep 1; echo two; exit 5']);
      expect([begun.code, begun.err]).toEqual([0, '']);
      const id = begun.text.trim();
      labd.answer = () => ({ status: 404, json: { error: { code: 'NOT_FOUND', message: 'no' } } });
      const joined = await run(['attach', `session/${id}`]);
      expect([joined.text, joined.code]).toEqual(['one\ntwo\n', 5]);
      const over = await run(['attach', `session/${id}`]);
      expect([over.code, over.err]).toEqual([255, expect.stringContaining('(NO_SESSION)')]);
      expect(over.err).toContain(`labctl play session/${id}`);
    },
    slow,
  );

  test(
    'kill asks the API for each session',
    async () => {
      const id = '01900000-0000-7000-8000-00000000000c';
      labd.answer = () => ({ json: { ok: true } });
      const { code, err } = await run(['kill', `session/${id}`]);
      expect([code, err]).toEqual([0, `session/${id} is ended\n`]);
      expect(labd.asked.at(-1)).toBe(`POST /api/sessions/${id}/kill`);
      expect((await run(['kill', 'server/web-1'])).code).toBe(2);
      expect((await run(['kill', `session/${id}`, '--dry-run'])).err).toBe(`dry run: would end session/${id}\n`);
    },
    slow,
  );

  test(
    'play in a pipe is the file itself (EX-11)',
    async () => {
      const id = '01900000-0000-7000-8000-00000000000c';
      const cast = '{"version":3,"term":{"cols":80,"rows":24}}\n[0.1,"o","\\u001b[31mhi"]\n[0,"x","0"]\n';
      labd.answer = () => ({ text: cast });
      for (const words of [
        ['play', id],
        ['sessions', 'play', `session/${id}`],
        ['play', id, '-o', 'json'],
      ]) {
        expect(await run(words)).toMatchObject({ text: cast, code: 0 });
      }
      await using shown = inTerminal('play', id, '--local', '--speed', '10');
      await shown.says('end, exit 0');
      expect(shown.out).toContain('\u001b[31mhi');
      expect(await shown.child.exited).toBe(0);
    },
    slow,
  );

  test(
    'cp both ways, and again after it was there',
    async () => {
      const bytes = randomBytes(2_000_000);
      writeFileSync(join(folder, 'src'), bytes);
      const there = join(folder, 'there');
      expect(await run(['cp', 'src', `web-1:${there}`])).toMatchObject({ code: 0 });
      expect(readFileSync(there).equals(bytes)).toBe(true);
      const back = await run(['cp', `server/web-1:${there}`, './back', '-o', 'json', '-q']);
      expect(JSON.parse(back.text)).toMatchObject({ direction: 'copy-out', bytes: 2_000_000, leftOut: 0, resumed: 0 });
      expect(readFileSync(join(folder, 'back')).equals(bytes)).toBe(true);
      const none = await run(['cp', `web-1:${folder}/none`, './x']);
      expect([none.code, none.err]).toEqual([5, expect.stringContaining('(NOT_FOUND)')]);
      for (const words of [
        ['cp', 'a', 'b'],
        ['cp', 'web-1:/a', 'web-2:/b'],
        ['cp', 'web-1:a', 'b'],
        ['cp', 'a'],
      ]) {
        expect((await run(words)).code).toBe(2);
      }
      expect(existsSync(join(folder, 'x'))).toBe(false);
    },
    slow,
  );

  test(
    'port-forward tells its ports, and ends with Ctrl-C (PF-1)',
    async () => {
      const echo = createServer((one) => one.pipe(one));
      await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
      const { port } = echo.address() as { port: number };
      const child = Bun.spawn([...labctl, 'port-forward', 'web-1', `0:${port}`, '-o', 'json', '--local'], {
        env,
        stdout: 'pipe',
        stderr: 'pipe',
      });
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      const { local, remote } = JSON.parse(new TextDecoder().decode(value)) as { local: string; remote: string };
      expect(remote).toBe(`localhost:${port}`);
      const answer = await new Promise<string>((resolve) => {
        const client = connect(Number(local.split(':')[1]), '127.0.0.1', () => void client.write('hello'));
        client.once('data', (bytes) => {
          resolve(bytes.toString());
          client.destroy();
        });
      });
      expect(answer).toBe('hello');
      child.kill('SIGINT');
      expect(await child.exited).toBe(130);
      echo.close();
    },
    slow,
  );

  test(
    'logs of a file, and with -f until Ctrl-C (LG-1)',
    async () => {
      const file = join(folder, 'app.log');
      writeFileSync(file, 'one\n\u001b[2Jtwo\n');
      expect(await run(['logs', 'web-1', '--file', file])).toMatchObject({ text: '- one\n- \\x1b[2Jtwo\n', code: 0 });
      const json = await run(['logs', 'web-1', '--file', file, '-o', 'json', '--tail', '1']);
      expect(JSON.parse(json.text)).toMatchObject({ text: '\u001b[2Jtwo' });
      const denied = await run(['logs', 'web-1', '--file', '/etc/passwd']);
      expect([denied.code, denied.err]).toEqual([4, expect.stringContaining('auth can-i logs server/web-1')]);
      for (const words of [['logs'], ['logs', 'web-1', '-u', 'a', '--file', '/b'], ['logs', 'web-1', '--since', 'x']]) {
        expect((await run(words)).code).toBe(2);
      }
      await using follow = inTerminal('logs', 'web-1', '--file', file, '-f', '--local');
      await follow.says('two');
      writeFileSync(file, 'three\n', { flag: 'a' });
      await follow.says('three');
      follow.type('\u0003');
      expect(await follow.child.exited).toBe(130);
    },
    slow,
  );
});
