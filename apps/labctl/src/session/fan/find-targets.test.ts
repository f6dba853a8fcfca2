import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import type { ResolvedServers } from '@labmesh/wire/fleet/resources/servers';
import type { LabdClient } from '../../client/labd-client.ts';
import type { CommandError } from '../../command-error.ts';
import { parseRefs } from '../../grammar/resource-ref.ts';
import { MemoryIo } from '../testing/memory-io.ts';
import { MemoryLabd, say, settle } from '../testing/memory-labd.ts';
import { findTargets, namesInText, type TargetWish } from './find-targets.ts';
import { type ManyParts, type ManyWish, runMany } from './run-many.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-targets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const id = (index: number) => `01900000-0000-7000-8000-${String(index).padStart(12, '0')}`;
const web = (index: number): ResolvedServers['targets'][number] => ({
  id: id(index),
  hostname: `web-${index}`,
  status: 'online',
  lastSeenAt: null,
});
const nothing: TargetWish = {
  refs: [],
  selector: undefined,
  file: undefined,
  all: false,
  login: undefined,
  skipDenied: false,
};

/** labd's answer to `resolve-servers`, and what it was asked. */
function fakeLabd(answer: Partial<ResolvedServers>) {
  const asked: unknown[] = [];
  const call = async (_name: string, input: { body: unknown }) => {
    asked.push(input.body);
    return { targets: [], denied: [], unknown: [], ...answer };
  };
  return { asked, labd: { call } as unknown as LabdClient };
}
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: CommandError) => error,
  );

describe('which servers are meant (FO-1)', () => {
  const find = async (
    wish: Partial<TargetWish>,
    answer: Partial<ResolvedServers> = { targets: [web(1)] },
    stdin = '',
  ) => {
    const { labd, asked } = fakeLabd(answer);
    const notes: string[] = [];
    const found = await findTargets(
      { ...nothing, ...wish },
      labd,
      async () => stdin,
      (text) => void notes.push(text),
    ).catch((error: CommandError) => error);
    return { found, asked, notes };
  };

  test('names, a selector, a file, all: asked once', async () => {
    const file = join(folder, 'servers');
    writeFileSync(file, '# ours\nweb-1\n\nserver/web-2,web-3 # two\n');
    expect((await find({ refs: parseRefs(['web-1,web-2'], { bare: 'server' }) })).asked).toEqual([
      { verb: 'exec', names: ['web-1', 'web-2'] },
    ]);
    expect((await find({ selector: 'role=web', login: 'deploy' })).asked).toEqual([
      { verb: 'exec', account: 'deploy', selector: 'role=web' },
    ]);
    expect((await find({ file, refs: parseRefs(['web-9'], { bare: 'server' }) })).asked).toEqual([
      { verb: 'exec', names: ['web-9', 'web-1', 'web-2', 'web-3'] },
    ]);
    expect((await find({ file: '-' }, undefined, 'web-5\n')).asked).toEqual([{ verb: 'exec', names: ['web-5'] }]);
    expect((await find({ all: true })).asked).toEqual([{ verb: 'exec', all: true }]);
  });

  test('in one way only, and with words that name servers', async () => {
    for (const wish of [{}, { all: true, selector: 'a=b' }, { all: true, file: 'x' }, { file: join(folder, 'none') }]) {
      expect((await find(wish)).found).toMatchObject({ exitCode: 2 });
    }
    expect((await find({ refs: parseRefs(['user/alice']) })).found).toMatchObject({ exitCode: 2 });
    expect(() => namesInText('web-1\nWEB_2\n', 'servers')).toThrow('servers:2: ');
    expect(() => namesInText('# none\n', 'servers')).toThrow('names no server');
  });

  test('denied ones are listed first and stop the run, unless --skip-denied', async () => {
    const answer = { targets: [web(1)], denied: [{ hostname: 'db-1', reason: 'deny exec on servers/db-*' }] };
    const stopped = await find({ all: true }, answer);
    expect(stopped.notes).toEqual(['denied: server/db-1: deny exec on servers/db-*']);
    expect(stopped.found).toMatchObject({ code: 'PERMISSION_DENIED', exitCode: 255 });
    const skipped = await find({ all: true, skipDenied: true }, answer);
    expect(skipped.notes).toHaveLength(1);
    expect(skipped.found).toMatchObject({ targets: [{ hostname: 'web-1' }], denied: answer.denied });
  });

  test('unknown ones and none at all are failures before the first start', async () => {
    expect((await find({ all: true }, { targets: [web(1)], unknown: ['nope'] })).found).toMatchObject({
      message: 'there is no server/nope, or you may not see it (NOT_FOUND)',
      exitCode: 255,
    });
    expect((await find({ selector: 'a=b' }, {})).found).toMatchObject({ code: 'NOT_FOUND', exitCode: 255 });
  });
});

describe('a run on many servers (2.10)', () => {
  const exec = {
    argv: ['uptime'],
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

  async function start(wish: Partial<ManyWish>, answer: Partial<ResolvedServers>, more: Partial<ManyParts> = {}) {
    const memory = new MemoryLabd((_open, accept) => void say(accept(), 'up\n'));
    const { labd, asked } = fakeLabd(answer);
    const io = new MemoryIo();
    const notes: string[] = [];
    const confirmed: string[] = [];
    const clock = new FakeClock();
    const note = (text: string) => void notes.push(text);
    const parts: ManyParts = {
      world: { env: {}, clock, readStdin: async () => '' },
      io,
      labd: async () => labd,
      link: { connect: memory.connect, clock, timeoutMs: 1_000, note },
      note,
      confirm: async (action, name) => void confirmed.push(`${action}: ${name}`),
      dryRun: false,
      ...more,
    };
    const whole: ManyWish = {
      targets: { ...nothing, selector: 'role=web' },
      exec,
      batch: 50,
      maxFail: undefined,
      form: 'prefix',
      fold: false,
      ...wish,
    };
    const code = await runMany(whole, parts).catch((error: CommandError) => error);
    return { code, memory, io, notes, confirmed, asked };
  }

  test('lines, the summary with names, and the job that finds it again (FO-4)', async () => {
    const { code, io, notes, memory } = await start({}, { targets: [web(1), web(2)] });
    expect(code).toBe(0);
    expect(io.text(1).split('\n').toSorted()).toEqual(['', 'web-1 | up', 'web-2 | up']);
    expect(notes[0]).toBe('ok 2: web-1, web-2');
    const job = 'job' in memory.opens[0]! ? memory.opens[0].job : '';
    expect(notes[1]).toBe(`job ${job}: labctl get sessions --job ${job}`);
    expect(io.told).toBeUndefined();
  });

  test('skipped servers stand in the summary and do not fail the run', async () => {
    const denied = [{ hostname: 'db-1', reason: 'no rule allows it' }];
    const targets = { ...nothing, all: true, skipDenied: true };
    const { code, notes, confirmed } = await start({ targets }, { targets: [web(1)], denied });
    expect(code).toBe(0);
    expect(notes).toContain('denied 1: db-1 (no rule allows it)');
    expect(confirmed).toEqual(['run a command on all 1 servers: all']);
  });

  test('--all asks, and a No starts nothing', async () => {
    const confirm = () => Promise.reject(Object.assign(new Error('not confirmed'), { exitCode: 1 }));
    const { code, memory } = await start({ targets: { ...nothing, all: true } }, { targets: [web(1)] }, { confirm });
    expect(code).toMatchObject({ message: 'not confirmed' });
    expect(memory.dials).toBe(0);
  });

  test('--dry-run names them and starts nothing', async () => {
    const { code, memory, notes } = await start({}, { targets: [web(1), web(2)] }, { dryRun: true });
    expect([code, memory.dials]).toEqual([0, 0]);
    expect(notes).toEqual(['dry run: would run it on 2 servers: web-1, web-2']);
  });

  test('every form', async () => {
    const answer = { targets: [web(1), web(2)] };
    const out = async (wish: Partial<ManyWish>) => (await start(wish, answer)).io.text(1);
    expect(JSON.parse(await out({ form: 'json' }))).toMatchObject({
      results: [{ stdout: 'up\n' }, { stdout: 'up\n' }],
    });
    expect((await out({ form: 'ndjson' })).split('\n')).toHaveLength(5);
    expect(await out({ form: 'group' })).toContain('=== web-2: ok\nup\n');
    expect(await out({ fold: true })).toBe('=== web-1, web-2 (2 servers): ok\nup\n');
    for (const wish of [{ form: 'json', fold: true }, { maxFail: 'x' }] as const) {
      expect((await start(wish, answer)).code).toMatchObject({ exitCode: 2 });
    }
  });

  test('Ctrl-C: the signal goes out, and the exit code is 130', async () => {
    const memory = new MemoryLabd((_open, accept) => accept().handle({}));
    const { labd } = fakeLabd({ targets: [web(1)] });
    const io = new MemoryIo();
    const clock = new FakeClock();
    const note = () => {};
    const wish: ManyWish = {
      targets: { ...nothing, all: true },
      exec,
      batch: 1,
      maxFail: undefined,
      form: 'prefix',
      fold: false,
    };
    const running = runMany(wish, {
      world: { env: {}, clock, readStdin: async () => '' },
      io,
      labd: async () => labd,
      link: { connect: memory.connect, clock, timeoutMs: 1_000, note },
      note,
      confirm: async () => {},
      dryRun: false,
    });
    await settle();
    io.told!('INT');
    io.told!('INT');
    expect(await running).toBe(130);
  });

  test('labd that cannot be reached is told before anything else', async () => {
    const refused = Object.assign(new Error('no'), { code: 'ECONNREFUSED' });
    const clock = new FakeClock();
    const link = { connect: () => Promise.reject(refused), clock, timeoutMs: 1_000, note: () => {} };
    expect((await start({}, { targets: [web(1)] }, { link })).code).toBe(refused as never);
    expect(await refusal(Promise.reject(refused))).toBe(refused as never);
  });
});
