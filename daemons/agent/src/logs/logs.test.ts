import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { type LogLine, logLineSchema, openLogsSchema, type OpenOf } from '@labmesh/wire/frame/open';
import { connect } from '../testing/client.ts';
import { openLogs } from './run-logs.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-logs-'));
afterAll(() => rmSync(top, { recursive: true }));
let folder = '';
let file = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(folder);
  file = join(folder, 'app.log');
});

async function start(wanted: Partial<OpenOf<'logs'>>, journalctl?: string[], logPaths = [`${top}/**`]) {
  const open = openLogsSchema.parse({ kind: 'logs', server: 'x', ...wanted });
  const world = { clock: systemClock, options: { logPaths }, ...(journalctl !== undefined && { journalctl }) };
  return connect(await openLogs(open, world), open).client;
}
const linesOf = (out: Buffer): LogLine[] =>
  out
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((json) => logLineSchema.parse(JSON.parse(json)));

async function read(wanted: Partial<OpenOf<'logs'>>, journalctl?: string[]) {
  const client = await start({ file, ...wanted }, journalctl);
  const ending = await client.closed;
  const lines = linesOf(client.out);
  return { ending, lines, texts: lines.map(({ text }) => text) };
}
const refusal = (opening: Promise<unknown>) =>
  opening.then(
    () => 'taken',
    (error) => `${(error as { reason: string }).reason}: ${(error as Error).message}`,
  );
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const write = (lines: readonly string[]) => appendFileSync(file, lines.map((line) => `${line}\n`).join(''));

describe('LG-1 a file', () => {
  test('whole, its tail, and what grep finds', async () => {
    write(numbers(0, 5000));
    expect((await read({})).texts).toEqual(numbers(0, 5000));
    expect((await read({ tail: 3 })).texts).toEqual(numbers(4997, 5000));
    expect((await read({ tail: 0 })).texts).toEqual([]);
    expect((await read({ tail: 9000 })).texts).toHaveLength(5000);
    expect((await read({ grep: 'line 499' })).texts).toHaveLength(11);
    expect((await read({ grep: '/^line 49+$/' })).texts).toEqual(['line 49', 'line 499', 'line 4999']);
    expect((await read({ grep: '/9{3}$/', tail: 2 })).texts).toEqual(['line 3999', 'line 4999']);
  });

  test('a last line without end, empty lines, CRLF, long lines', async () => {
    writeFileSync(file, `a\r\n\n${'x'.repeat(100_000)}\nlast`);
    const { texts } = await read({});
    expect([texts[0], texts[1], texts[3]]).toEqual(['a', '', 'last']);
    expect(texts[2]).toEndWith('x [labmesh: 34464 bytes cut]');
    expect((await read({ tail: 1 })).texts).toEqual(['last']);
  });

  test('since and until by the times that lines begin with', async () => {
    const at = (minute: number) => Date.UTC(2025, 0, 1, 10, minute);
    write([0, 1, 2, 3, 4].flatMap((minute) => [`${new Date(at(minute)).toISOString()} m${minute}`, '  more of it']));
    expect((await read({ since: at(2), until: at(3) })).texts.map((text) => text.slice(-10))).toEqual(
      ['0:00.000Z m2', '  more of it', '0:00.000Z m3', '  more of it'].map((text) => text.slice(-10)),
    );
    expect((await read({ since: at(4) })).lines[0]?.at).toBe(at(4));
  });

  test('since is found in a large file without reading it whole', async () => {
    const row = (i: number) => `${new Date(1_700_000_000_000 + i * 1000).toISOString()} ${'.'.repeat(100)}`;
    write(Array.from({ length: 40_000 }, (_, i) => row(i)));
    const { texts } = await read({ since: 1_700_000_000_000 + 39_990_000 });
    expect(texts).toHaveLength(10);
  });

  test('cursor: goes on behind a line, also after rotation of either kind', async () => {
    write(numbers(0, 100));
    const cursor = (await read({})).lines[49]!.cursor;
    expect((await read({ cursor })).texts).toEqual(numbers(50, 100));
    renameSync(file, `${file}.1`);
    write(numbers(100, 120));
    expect((await read({ cursor })).texts).toEqual(numbers(50, 120));
    const later = (await read({})).lines[9]!.cursor;
    copyFileSync(file, `${file}.2`);
    truncateSync(file);
    write(numbers(120, 130));
    expect((await read({ cursor: later })).texts).toEqual(numbers(110, 130));
    unlinkSync(`${file}.2`);
    expect((await read({ cursor: later })).texts).toEqual([
      '[labmesh: the place to go on from is gone; from the start of the file]',
      ...numbers(120, 130),
    ]);
  });

  test('refusals', async () => {
    expect(await refusal(start({ file }))).toBe('not-found: there is no such file');
    write(['x']);
    expect(await refusal(start({ file, grep: '/(/' }))).toStartWith('protocol: the pattern');
    expect(await refusal(start({ file, unit: 'x' }))).toStartWith('protocol');
    expect((await read({ cursor: 'journal:x' })).ending.reason).toBe('protocol');
    expect(await refusal(start({ file: folder }))).toBe('io: is not a file');
  });
});

describe('LG-2 acceptance 7: only under log_paths, links resolved', () => {
  test('paths outside, links to outside, `..`', async () => {
    write(['x']);
    const outside = join(top, 'outside.log');
    writeFileSync(outside, 'secret\n');
    const allowed = join(folder, 'in');
    mkdirSync(allowed);
    const globs = [`${allowed}/**`];
    symlinkSync(outside, join(allowed, 'link.log'));
    symlinkSync(top, join(allowed, 'up'));
    const asked = (path: string) => refusal(start({ file: path, follow: true }, undefined, globs));
    for (const path of [
      outside,
      join(allowed, 'link.log'),
      join(allowed, 'up/outside.log'),
      `${allowed}/../../outside.log`,
      '/etc/passwd',
      join(top, 'none.log'),
    ]) {
      expect(await asked(path)).toStartWith('denied');
    }
    writeFileSync(join(allowed, 'a.log'), 'fine\n');
    const client = await start({ file: join(allowed, 'a.log') }, undefined, globs);
    await client.closed;
    expect(linesOf(client.out)[0]?.text).toBe('fine');
  });

  test('log_paths may lead over a link itself', async () => {
    write(['fine']);
    const link = join(top, `link-${count}`);
    symlinkSync(folder, link);
    const client = await start({ file: join(link, 'app.log') }, undefined, [`${link}/*.log`]);
    await client.closed;
    expect(linesOf(client.out)[0]?.text).toBe('fine');
  });

  test('a FIFO or device is no log', async () => {
    Bun.spawnSync(['mkfifo', file]);
    expect(await refusal(start({ file }))).toBe('io: is not a file');
  });
});

/** Follows while `during` writes; stops when the last of `wanted` has come. */
async function followed(wanted: readonly string[], during: () => Promise<void>, more: Partial<OpenOf<'logs'>> = {}) {
  const client = await start({ file, follow: true, ...more });
  await during();
  const last = JSON.stringify(wanted.at(-1));
  await Promise.race([client.until((out) => out.includes(last)), Bun.sleep(5_000)]);
  client.channel.close('cancelled');
  await client.closed;
  return linesOf(client.out).map(({ text }) => text);
}

describe('LG-2 follow', () => {
  test('lines as they come, half lines when they are whole; a missing file is waited for', async () => {
    const texts = await followed(['one', 'two three'], async () => {
      await Bun.sleep(200);
      write(['one']);
      appendFileSync(file, 'two ');
      await Bun.sleep(200);
      write(['three']);
    });
    expect(texts).toEqual(['one', 'two three']);
  });

  test('tail 0: only what comes', async () => {
    write(numbers(0, 10));
    const texts = await followed(
      ['line 10'],
      async () => {
        await Bun.sleep(150);
        write(['line 10']);
      },
      { tail: 0 },
    );
    expect(texts).toEqual(['line 10']);
  });

  test('what the old file still gets before anybody writes to the new one', async () => {
    write(['a']);
    const texts = await followed(['a', 'late', 'new'], async () => {
      await Bun.sleep(150);
      const old = `${file}.1`;
      renameSync(file, old);
      writeFileSync(file, '');
      await Bun.sleep(200);
      appendFileSync(old, 'late\n');
      await Bun.sleep(200);
      write(['new']);
    });
    expect(texts).toEqual(['a', 'late', 'new']);
  });

  test('truncated without a copy: from 0', async () => {
    write(['first line', 'second line']);
    const texts = await followed(['first line', 'second line', 'x'], async () => {
      await Bun.sleep(200);
      truncateSync(file);
      write(['x']);
    });
    expect(texts).toEqual(['first line', 'second line', 'x']);
  });

  const shift = (keep: number) => {
    for (let n = keep; n >= 1; n--) if (existsSync(`${file}.${n}`)) renameSync(`${file}.${n}`, `${file}.${n + 1}`);
    if (existsSync(`${file}.${keep + 1}`)) unlinkSync(`${file}.${keep + 1}`);
  };
  const ways = {
    rename: () => {
      shift(30);
      renameSync(file, `${file}.1`);
    },
    copytruncate: () => {
      shift(30);
      copyFileSync(file, `${file}.1`);
      truncateSync(file);
    },
  };
  test.each([
    ['rename', 100],
    ['copytruncate', 100],
    // Several rotations between two looks.
    ['rename', 15],
    ['copytruncate', 15],
  ] as ['rename' | 'copytruncate', number][])(
    '%s every %d ms: every line once, in order',
    async (way, everyMs) => {
      const total = 2000;
      const wanted = numbers(0, total);
      const texts = await followed(wanted, async () => {
        let rotateAt = performance.now() + everyMs;
        for (let n = 0; n < total; n += 5) {
          write(wanted.slice(n, n + 5));
          await Bun.sleep(2);
          if (performance.now() < rotateAt) continue;
          ways[way]();
          rotateAt = performance.now() + everyMs;
        }
      });
      expect(texts).toEqual(wanted);
    },
    30_000,
  );
});

describe('LG-3 slow readers', () => {
  test('history waits for its reader and loses nothing', async () => {
    write(Array.from({ length: 60_000 }, (_, i) => `${i} ${'.'.repeat(60)}`));
    const client = await start({ file, follow: true });
    await client.until((out) => out.length > 0);
    let go = () => {};
    client.hold = new Promise((resolve) => (go = resolve));
    await Bun.sleep(500);
    client.hold = undefined;
    go();
    await client.until((out) => out.includes('59999 '));
    client.channel.close('cancelled');
    await client.closed;
    expect(linesOf(client.out)).toHaveLength(60_000);
  }, 30_000);

  test('what comes while the reader sleeps: the newest MiB, and how many lines are gone', async () => {
    write(['begin']);
    const client = await start({ file, follow: true });
    await client.until((out) => out.includes('begin'));
    let go = () => {};
    client.hold = new Promise((resolve) => (go = resolve));
    for (let i = 0; i < 40; i++) {
      write(Array.from({ length: 1000 }, (_, n) => `${i * 1000 + n} ${'.'.repeat(100)}`));
      await Bun.sleep(10);
    }
    await Bun.sleep(300);
    client.hold = undefined;
    go();
    await client.until((out) => out.includes('39999 '));
    client.channel.close('cancelled');
    await client.closed;
    const texts = linesOf(client.out).map(({ text }) => text);
    let next = 0;
    let dropped = 0;
    for (const text of texts.slice(1)) {
      const gone = /^\[labmesh: (\d+) lines dropped\]$/.exec(text);
      if (gone === null) expect(text).toStartWith(`${next++} `);
      else dropped += Number(gone[1]);
      if (gone !== null) next += Number(gone[1]);
    }
    expect(next).toBe(40_000);
    expect(dropped).toBeGreaterThan(10_000);
    expect(texts.at(-1)).toStartWith('39999 ');
  }, 20_000);
});

describe('LG-2 the journal', () => {
  const fake = (history: string, live = '', code = 0) => {
    const path = join(folder, 'journalctl');
    writeFileSync(join(folder, 'history'), history);
    writeFileSync(join(folder, 'live'), live);
    const script = [
      '#!/bin/sh',
      `printf '%s\\n' "$*" >> ${folder}/arguments`,
      `case "$*" in *--follow*) cat ${folder}/live; exec sleep 60;; *) cat ${folder}/history;; esac`,
      code === 0 ? '' : `echo "No journal files were found." >&2; exit ${code}`,
    ];
    writeFileSync(path, script.join('\n'));
    chmodSync(path, 0o755);
    return [path];
  };
  const entry = (n: number, more: object = {}) =>
    `${JSON.stringify({ __CURSOR: `c${n}`, __REALTIME_TIMESTAMP: String(1_700_000_000_000_000 + n), MESSAGE: `m${n}`, PRIORITY: '4', _SYSTEMD_UNIT: 'a.service', ...more })}\n`;
  const noted = () => readFileSync(join(folder, 'arguments'), 'utf8').trim().split('\n');

  test('entries with unit, level, time, cursor; fields of every shape; what is no entry is left out', async () => {
    const odd = [
      entry(2, { MESSAGE: [104, 105, 0xff] }),
      'not json\n',
      entry(3, { MESSAGE: null, PRIORITY: 'x' }),
      entry(4, { MESSAGE: ['a', 'b'] }),
    ];
    const { lines, ending } = await read({ file: undefined, tail: 5 }, fake(entry(1) + odd.join('')));
    expect(ending.reason).toBe('ok');
    expect(lines[0]).toEqual({
      at: 1_700_000_000_000,
      unit: 'a.service',
      level: 'warning',
      text: 'm1',
      cursor: 'journal:c1',
    });
    expect(lines.map(({ text }) => text)).toEqual(['m1', 'hi\ufffd', '', 'a b']);
    expect(lines[2]?.level).toBeUndefined();
    expect(noted()[0]).toContain('--lines=5');
  });

  test('what is asked becomes arguments, one word each', async () => {
    const wanted = {
      file: undefined,
      unit: 'a@b.service',
      level: 'err',
      since: 1000,
      until: 2500,
      grep: '--x (a',
    } as const;
    await read(wanted, fake(''));
    for (const word of [
      '--unit=a@b.service',
      '--priority=err',
      '--since=@1.000',
      '--until=@2.500',
      '--grep=\\-\\-x \\(a',
    ]) {
      expect(noted()[0]).toContain(word);
    }
  });

  test('follow: history, then from the last cursor; resume by cursor', async () => {
    const client = await start({ file: undefined, follow: true, tail: 1 }, fake(entry(1), entry(2)));
    await client.until((out) => out.includes('m2'));
    client.channel.close('cancelled');
    await client.closed;
    expect(linesOf(client.out).map(({ text }) => text)).toEqual(['m1', 'm2']);
    expect(noted()[1]).toContain('--follow');
    expect(noted()[1]).toContain('--after-cursor=c1');
    await read({ file: undefined, cursor: 'journal:c9' }, fake(''));
    expect(noted()[2]).toContain('--after-cursor=c9');
    expect(noted()[2]).not.toContain('--since');
  });

  test('what journalctl complains of, and a server without it', async () => {
    expect((await read({ file: undefined }, fake('', '', 1))).ending).toEqual({
      reason: 'io',
      text: 'journalctl: No journal files were found.',
    });
    expect((await read({ file: undefined }, ['/none/journalctl'])).ending.reason).toBe('not-found');
    expect((await read({ file: undefined, cursor: 'file:1-1:0:0:' }, fake(''))).ending.reason).toBe('protocol');
  });
});
