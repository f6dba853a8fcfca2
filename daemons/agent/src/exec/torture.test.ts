/** Acceptance 3: byte-exact over {TTY, pipe} × {burst, stdin EOF, TERM, exit codes}. LABMESH_TORTURE sets the runs. */
import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { execToEnd, startExec } from '../testing/client.ts';

const runs = Number(process.env['LABMESH_TORTURE'] ?? 60);
const together = 8;
const burstBytes = 300_000;
const tty = { term: 'xterm', cols: 80, rows: 24 };
const burst = Buffer.alloc(burstBytes, '0123456789abcde\n').toString().replaceAll('\n', '|');

const kinds = {
  // A program that writes all at once and is gone: the tail must not go with it.
  burst: async (where: typeof tty | null, code: number) => {
    const shell = `head -c ${burstBytes} /dev/zero | tr '\\0' 'x'; printf END; exit ${code}`;
    const { exit, text, ending } = await execToEnd({ shell, tty: where });
    expect(text.length).toBe(burstBytes + 3);
    expect(text.endsWith('xxxEND')).toBe(true);
    expect(exit).toMatchObject({ code, signal: null, drained: true });
    expect(ending.reason).toBe('ok');
  },
  eof: async (where: typeof tty | null, code: number) => {
    const setup = where === null ? '' : 'stty -echo raw; printf ready; head -c 300000; exit';
    if (where === null) {
      const { exit, text } = await execToEnd({ shell: `cat; exit ${code}` }, burst);
      expect(text === burst).toBe(true);
      expect(exit).toMatchObject({ code, signal: null, bytes: { in: burstBytes, out: burstBytes } });
      return;
    }
    const { client } = await startExec({ shell: `${setup} ${code}`, tty: where, stdin: true });
    await client.until((out) => out.includes('ready'));
    await client.send(burst);
    client.channel.end(0);
    await client.closed;
    expect(client.out.toString() === `ready${burst}`).toBe(true);
    expect(client.exit).toMatchObject({ code, signal: null });
  },
  term: async (where: typeof tty | null) => {
    const { client } = await startExec({ shell: `printf on; exec sleep 60`, tty: where, stdin: true });
    await client.until((out) => out.includes('on'));
    client.channel.sendSignal('TERM');
    await client.closed;
    expect(client.out.toString()).toBe('on');
    expect(client.exit).toMatchObject({ code: null, signal: 'TERM', drained: true });
  },
  exit: async (where: typeof tty | null, code: number) => {
    const { exit, text } = await execToEnd({ shell: `echo o; exit ${code}`, tty: where });
    expect(text.trimEnd()).toBe('o');
    expect(exit).toMatchObject({ code, signal: null });
  },
};

test(`EX-3 EX-4 byte-exact, ${runs} runs`, async () => {
  const cases = Object.values(kinds);
  let next = 0;
  const worker = async () => {
    for (let run = next++; run < runs; run = next++) {
      await cases[run % cases.length]!(run & 4 ? tty : null, run % 256);
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
}, 600_000);

test('nothing is left: descriptors, and memory about the same', async () => {
  const fds = () => readdirSync('/proc/self/fd').length;
  const round = async () => {
    for (let i = 0; i < 10; i++) await kinds.exit(i & 1 ? tty : null, 0);
    await Bun.sleep(100);
  };
  await round();
  const before = fds();
  await round();
  await round();
  expect(fds()).toBeLessThanOrEqual(before + 2);
}, 60_000);

test('section 4: a stopped reader of `yes` costs less than 8 MiB, on a terminal and on a pipe', async () => {
  for (const where of [null, tty]) {
    const { client } = await startExec({ argv: ['yes'], tty: where });
    let go = () => {};
    await client.until((out) => out.length > 1000);
    client.hold = new Promise((resolve) => (go = resolve));
    await Bun.sleep(300);
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    await Bun.sleep(1000);
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(8 * 1024 * 1024);
    // It goes on where it stood, and still hears signals.
    const had = client.out.length;
    client.hold = undefined;
    go();
    await client.until((out) => out.length > had + 3_000_000);
    client.channel.sendSignal('KILL');
    await client.closed;
    const line = where === null ? 'y\n' : 'y\r\n';
    const text = client.out.toString();
    const whole = text.slice(0, text.length - (text.length % line.length));
    expect(whole === line.repeat(whole.length / line.length)).toBe(true);
    expect(client.exit?.signal).toBe('KILL');
  }
}, 60_000);
