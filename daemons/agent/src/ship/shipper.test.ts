/** AG-5, AG-7 from the log to the link: the real parts, with labd in memory. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import type { LogAck, ShippedLine } from '@labmesh/wire/frame/log-batch';
import { checkShipFiles } from './check-shipping.ts';
import { Shipper, type ShipperParts } from './shipper.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-shipper-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folder = '';
let file = '';
let count = 0;
let running: Running[] = [];
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(join(folder, 'logs'), { recursive: true });
  file = join(folder, 'logs', 'app.log');
});
afterEach(async () => {
  for (const one of running) await one.stop();
  running = [];
});

type Options = ShipperParts['options'];

/** A shipper on a link that the test holds. */
class Running {
  readonly shipper: Shipper;
  readonly lines: ShippedLine[] = [];
  readonly ids: string[] = [];
  said = '';
  /** What labd answers; undefined: nothing. */
  status: LogAck['status'] | undefined = 'done';
  readonly #ending = new AbortController();
  readonly #run: Promise<void>;

  constructor(options: Partial<Options> = {}, journalctl?: string[]) {
    const all = {
      shipEnabled: true,
      shipFiles: [file],
      shipUnits: [],
      spoolMax: 1024 * 1024,
      logPaths: [`${folder}/logs/**`],
      stateDir: folder,
      ...options,
    };
    const log = createLogger({ level: 'info', format: 'json', write: (line) => (this.said += `${line}\n`) });
    this.shipper = new Shipper({
      options: all,
      send: ({ id, lines }) => {
        this.ids.push(id);
        const { status } = this;
        if (status === 'done') this.lines.push(...(lines as ShippedLine[]));
        if (status !== undefined)
          queueMicrotask(() => this.shipper.answered({ kind: 'log-ack', id, status, retryAfterMs: 50 }));
        return true;
      },
      clock: systemClock,
      log,
      ...(journalctl !== undefined && { journalctl }),
    });
    this.#run = this.shipper.run(this.#ending.signal);
    running.push(this);
  }

  get texts(): string[] {
    return this.lines.map(({ text }) => text);
  }
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#run;
  }
  /** Until the sources are read. */
  begun(): Promise<void> {
    return until(() => existsSync(join(folder, 'spool', 'state.json')));
  }
}

async function until(isSo: () => boolean, withinMs = 20_000): Promise<void> {
  const last = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > last) throw new Error('it did not come true');
    await Bun.sleep(20);
  }
}
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const write = (lines: readonly string[]) => appendFileSync(file, lines.map((line) => `${line}\n`).join(''));

describe('files', () => {
  test('from now on; over a stop, what was written meanwhile, too', async () => {
    write(numbers(0, 10));
    const first = new Running();
    await first.begun();
    // Nothing was sent yet, and where it began is known all the same.
    await first.stop();
    write(numbers(10, 20));
    const second = new Running();
    second.shipper.linked(true);
    await until(() => second.texts.length === 10);
    expect(second.lines[0]).toMatchObject({ text: 'line 10', file });
    write(numbers(20, 30));
    await until(() => second.texts.length === 20);
    await second.stop();
    write(numbers(30, 40));
    const third = new Running();
    third.shipper.linked(true);
    await until(() => third.texts.length === 10);
    expect([...second.texts, ...third.texts]).toEqual(numbers(10, 40));
    expect(third.shipper.status).toMatchObject({ state: 'on', shippedLines: 30, droppedLines: 0 });
  }, 60_000);

  test('one that comes later is read from its start', async () => {
    const one = new Running();
    await one.begun();
    one.shipper.linked(true);
    write(numbers(0, 5));
    await until(() => one.texts.length === 5);
    expect(one.texts).toEqual(numbers(0, 5));
  }, 60_000);

  test('a hole of 1 TiB without one line end: the others go on, also after off and on, and stopping ends', async () => {
    const hole = join(folder, 'logs', 'hole.log');
    writeFileSync(hole, 'x\n');
    const one = new Running({ shipFiles: [hole, file] });
    await one.begun();
    one.shipper.linked(true);
    truncateSync(hole, 1024 ** 4);
    write(['before']);
    await until(() => one.texts.includes('before'));
    one.shipper.linked(false);
    one.shipper.linked(true);
    write(['after']);
    await until(() => one.texts.includes('after'));
    // Hangs for ever where reading does not look at the signal.
    await one.stop();
  }, 60_000);

  test('one that may not be read is told once, and costs the others nothing', async () => {
    const outside = join(folder, 'outside.log');
    writeFileSync(outside, 'secret\n');
    const one = new Running({ shipFiles: [outside, file] });
    await one.begun();
    one.shipper.linked(true);
    write(numbers(0, 5));
    await until(() => one.texts.length === 5 && one.said.includes('not under agent.log_paths'));
    appendFileSync(outside, 'more\n');
    expect(one.texts).toEqual(numbers(0, 5));
    expect(await thrower(checkShipFiles({ shipFiles: [outside], logPaths: [`${folder}/logs/**`] }))).toThrow(
      'agent.ship.files',
    );
    await checkShipFiles({ shipFiles: [file, join(folder, 'logs', 'none.log')], logPaths: [`${folder}/logs/**`] });
  }, 60_000);
});

describe('labd', () => {
  test('no answer: the same batch, under the same id, also after a stop', async () => {
    const first = new Running();
    await first.begun();
    first.status = undefined;
    first.shipper.linked(true);
    write(numbers(0, 5));
    await until(() => first.ids.length === 1);
    first.shipper.unlinked();
    first.shipper.linked(true);
    await until(() => first.ids.length === 2);
    await first.stop();
    const second = new Running();
    second.shipper.linked(true);
    await until(() => second.texts.length === 5);
    expect(new Set([...first.ids, ...second.ids]).size).toBe(1);
  }, 60_000);

  test('AG-7 no collector: told once, nothing is read or kept; with one, it goes on where it was', async () => {
    const one = new Running();
    await one.begun();
    one.shipper.linked(false);
    one.shipper.linked(false);
    write(numbers(0, 5_000));
    await Bun.sleep(1_500);
    expect(one.shipper.status).toMatchObject({ state: 'off', spooledBytes: 0, shippedLines: 0 });
    expect(one.said.split('labd has no collector')).toHaveLength(2);
    one.shipper.linked(true);
    await until(() => one.texts.length === 5_000);
    expect(one.texts).toEqual(numbers(0, 5_000));
    // The next batch finds that the collector was taken away.
    one.status = 'off';
    write(['one more']);
    await until(() => one.shipper.status?.state === 'off');
    one.status = 'done';
    one.shipper.linked(true);
    await until(() => one.texts.at(-1) === 'one more');
  }, 60_000);

  test('AG-5 away: the oldest go, and are counted; what is sent is in order', async () => {
    const one = new Running();
    await one.begun();
    const pad = 'x'.repeat(500);
    write(numbers(0, 10_000).map((text) => `${text} ${pad}`));
    await until(() => (one.shipper.status?.droppedLines ?? 0) > 5_000);
    expect(one.shipper.status).toMatchObject({ state: 'waiting' });
    // And a batch that is just being written.
    expect(one.shipper.report?.spooledBytes).toBeLessThanOrEqual(1.25 * 1024 * 1024);
    one.shipper.linked(true);
    await until(() => one.texts.at(-1)?.startsWith('line 9999 ') === true);
    // A batch whose answer is late comes twice.
    const texts = [...new Set(one.texts)];
    await until(() => one.shipper.report?.shippedLines === texts.length);
    const { droppedLines = 0 } = one.shipper.report ?? {};
    expect(droppedLines + texts.length).toBe(10_000);
    expect(texts).toEqual(numbers(droppedLines, 10_000).map((text) => `${text} ${pad}`));
  }, 60_000);

  test('AG-5 away: one of two files is flooded: it waits in its file, and nothing of the other goes', async () => {
    const flood = join(folder, 'logs', 'flood.log');
    writeFileSync(flood, '');
    const one = new Running({ shipFiles: [file, flood] });
    await one.begun();
    write(numbers(0, 100));
    await until(() => (one.shipper.report?.spooledBytes ?? 0) > 1_000);
    const pad = 'x'.repeat(500);
    appendFileSync(
      flood,
      numbers(0, 6_000)
        .map((text) => `${text} ${pad}\n`)
        .join(''),
    );
    await until(() => (one.shipper.report?.spooledBytes ?? 0) > 300_000);
    write(numbers(100, 200));
    one.shipper.linked(true);
    await until(() => one.texts.length === 6_200);
    expect(one.shipper.report?.droppedLines).toBe(0);
    expect(one.lines.filter((line) => line.file === file).map(({ text }) => text)).toEqual(numbers(0, 200));
  }, 60_000);

  test('while batches get through, a burst waits in its file, and nothing is dropped', async () => {
    const one = new Running();
    await one.begun();
    one.shipper.linked(true);
    write(['first']);
    await until(() => one.texts.length === 1);
    write(numbers(0, 20_000).map((text) => `${text} ${'x'.repeat(200)}`));
    await until(() => one.texts.length === 20_001, 50_000);
    expect(one.shipper.report?.droppedLines).toBe(0);
  }, 60_000);
});

test('the journal: one reader for all units, after the cursor, begun again when it ends', async () => {
  const program = join(folder, 'journalctl');
  const calls = join(folder, 'calls');
  // Two entries a run: the first run of a reader ends, the one that follows stays.
  writeFileSync(
    program,
    `#!/bin/sh
echo "$*" >> ${calls}
n=$(wc -l < ${calls})
case "$*" in *--follow*) ;; *) exit 0;; esac
echo '{"__CURSOR":"c'$n'","__REALTIME_TIMESTAMP":"1700000000000000","MESSAGE":"entry '$n'","PRIORITY":"3","_SYSTEMD_UNIT":"a.service"}'
[ $n -lt 3 ] && exit 0
exec sleep 60
`,
  );
  chmodSync(program, 0o755);
  const one = new Running({ shipFiles: [], shipUnits: ['a.service', 'b*'] }, [program]);
  one.shipper.linked(true);
  await until(() => one.texts.includes('entry 4'));
  expect(one.lines[0]).toEqual({ at: 1_700_000_000_000, level: 'err', unit: 'a.service', text: 'entry 2' });
  const words = readFileSync(calls, 'utf8').trim().split('\n');
  for (const call of words) expect(call).toContain('--unit=a.service --unit=b*');
  expect(words[0]).toContain('--since=@');
  expect(words.at(-1)).toContain('--after-cursor=c2');
}, 60_000);

test('settings that ship nothing make nothing', async () => {
  const one = new Running({ shipEnabled: false });
  one.shipper.linked(true);
  await one.stop();
  expect([existsSync(join(folder, 'spool')), one.shipper.report, one.said]).toEqual([false, undefined, '']);
});
