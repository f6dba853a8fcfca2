import { randomBytes } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCopy } from '@labmesh/agent/copy/run-copy';
import { Refused } from '@labmesh/agent/session-run';
import { testWorld } from '@labmesh/agent/testing/client';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import { endingOf } from '../channel-problem.ts';
import { ClientLink } from '../client-link.ts';
import { MemoryLabd, pass, settle } from '../testing/memory-labd.ts';
import { CopyFailed, copyIn, copyOut, type CopyParts, type CopyPlan } from './copy-session.ts';
import { CopyMeter } from './copy-meter.ts';
import { transferId } from './transfer-id.ts';

const top = mkdtempSync(join(tmpdir(), 'labctl-cp-'));
afterAll(() => rmSync(top, { recursive: true }));
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(folder);
});
const at = (...parts: string[]) => join(folder, ...parts);

/** A server whose files are on this machine too: the agent's own code over a real channel in memory. */
function world() {
  const { accounts } = testWorld();
  const labd = new MemoryLabd(async (open, accept) => {
    if (open.kind !== 'copy-in' && open.kind !== 'copy-out') return { reason: 'denied', text: '' };
    try {
      const run = await openCopy(open, { accounts, options: { logins: ['*'], selfCommand: [] } });
      void run.run(accept(run.answer));
    } catch (error) {
      if (error instanceof Refused) return { reason: error.reason, text: error.message };
      throw error;
    }
  });
  const clock = new FakeClock();
  const link = new ClientLink({ connect: labd.connect, clock, random: () => 0.5, timeoutMs: 1_000, note: () => {} });
  const warned: string[] = [];
  const told: string[] = [];
  const stop = new AbortController();
  const tasks = {
    set: (_: string, state: string, text = '') => void told.push(`${state} ${text}`),
    [Symbol.dispose]: () => {},
  };
  const parts: CopyParts = {
    open: async (o, sg) => { const c = await link.open(o, sg); (globalThis as any).CH = c; (globalThis as any).AG = [...labd.sessions.values()].at(-1); return c; },
    meter: new CopyMeter({ name: 'x', tasks, clock: systemClock, tellsRate: true }),
    warn: (text) => void warned.push(text),
    signal: stop.signal,
  };
  return { labd, clock, parts, warned, told, stop };
}

const plan = (local: string, remote: string, more: Partial<CopyPlan> = {}): CopyPlan => ({
  server: 'web-1',
  local,
  remote,
  login: undefined,
  recursive: false,
  preserve: false,
  ...more,
});
const refusal = async (promise: Promise<unknown>): Promise<{ reason: string; text: string }> => {
  const error = await promise.then(
    () => new Error('it was copied'),
    (one: unknown) => one,
  );
  const ending = error instanceof CopyFailed ? error.ending : endingOf(error);
  if (ending === undefined) throw error;
  return ending;
};
/** Names below a folder, links with their targets. */
function tree(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => {
      const own = join(path, entry.name);
      if (entry.isSymbolicLink()) return [`${entry.name} -> ${readlinkSync(own)}`];
      return entry.isDirectory() ? [`${entry.name}/`, ...tree(own).map((one) => `${entry.name}/${one}`)] : [entry.name];
    })
    .toSorted();
}
function sampleTree(path: string): void {
  mkdirSync(join(path, 'a/b'), { recursive: true });
  writeFileSync(join(path, 'a/one'), 'one');
  writeFileSync(join(path, 'a/b/empty'), '');
  writeFileSync(join(path, 'a/b/new\nline \u001b[31m'), 'odd');
  symlinkSync('../one', join(path, 'a/b/up'));
}
const partsIn = (path: string) => readdirSync(path).filter((name) => name.includes('.labmesh-'));

describe('to a server (CP-1, CP-2)', () => {
  test('a file under a name, and into a folder under its own', async () => {
    const bytes = randomBytes(3_000_000);
    writeFileSync(at('src'), bytes, { mode: 0o640 });
    mkdirSync(at('in'));
    const { parts, told } = world();
    const copied = await copyIn(plan(at('src'), at('dst')), parts);
    expect(copied).toMatchObject({ bytes: 3_000_000, leftOut: 0, resumed: 0 });
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
    expect(statSync(at('dst')).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(told[0]).toStartWith('running 0 %');
    await copyIn(plan(at('src'), at('in')), world().parts);
    expect(readFileSync(at('in/src')).equals(bytes)).toBe(true);
  });

  test('-r -p: a tree with odd names, links, modes and times', async () => {
    sampleTree(at('src'));
    chmodSync(at('src/a/one'), 0o751);
    utimesSync(at('src/a/one'), 1_000_000, 1_000_000);
    const { parts } = world();
    const copied = await copyIn(plan(at('src'), at('dst'), { recursive: true, preserve: true }), parts);
    expect(copied).toMatchObject({ bytes: 6, leftOut: 0 });
    expect(tree(at('dst'))).toEqual(tree(at('src')));
    expect([statSync(at('dst/a/one')).mode & 0o777, statSync(at('dst/a/one')).mtimeMs]).toEqual([0o751, 1_000_000_000]);
  });

  test('a folder without -r, a file that is not here, a target that is not there', async () => {
    const { parts, labd } = world();
    mkdirSync(at('dir'));
    expect(await refusal(copyIn(plan(at('dir'), at('x')), parts))).toMatchObject({
      text: 'is a directory: -r is needed',
    });
    expect(await refusal(copyIn(plan(at('none'), at('x')), parts))).toMatchObject({ reason: 'not-found' });
    expect(labd.opens).toEqual([]);
    writeFileSync(at('f'), 'x');
    expect(await refusal(copyIn(plan(at('f'), at('no/such/x')), parts))).toMatchObject({ reason: 'not-found' });
  });

  test('what cannot be read is left out, told and counted', async () => {
    sampleTree(at('src'));
    expect(Bun.spawnSync(['mkfifo', at('src/fifo')]).exitCode).toBe(0);
    const { parts, warned } = world();
    const copied = await copyIn(plan(at('src'), at('dst'), { recursive: true }), parts);
    expect(copied.leftOut).toBe(1);
    expect(warned.join()).toContain('fifo');
  });

  test('cut at half and given up, then again: it goes on where it was, and the sums agree', async () => {
    const bytes = randomBytes(8 * 1024 * 1024);
    writeFileSync(at('src'), bytes);
    first = world();
    first.labd.perTurn = () => 2;
    const cut = refusal(copyIn(plan(at('src'), at('dst')), first.parts));
    while (first.parts.meter.bytes < bytes.length / 2) await settle(1);
    first.labd.away = new Error('away');
    first.labd.cut();
    // The agent hears nothing more; for it this is the end that labd makes of it.
    for (const end of first.labd.sessions.values()) end.abort('link-lost');
    await pass(first.clock, 61_000);
    expect(await cut).toMatchObject({ reason: 'link-lost' });
    expect(existsSync(at('dst'))).toBe(false);
    expect(partsIn(folder)).toHaveLength(1);
    second = world();
    const copied = await copyIn(plan(at('src'), at('dst')), second.parts);
    expect(copied.resumed).toBeGreaterThan(1_000_000);
    expect(second.parts.meter.bytes).toBeLessThan(bytes.length - copied.resumed + 10_000);
    expect(copied.bytes).toBe(bytes.length);
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
    expect(partsIn(folder)).toEqual([]);
  });

  test('a part that differs is refused as checksum, and the next try is from the start', async () => {
    const bytes = randomBytes(100_000);
    writeFileSync(at('src'), bytes);
    const { size, mtimeMs } = statSync(at('src'));
    const transfer = transferId('in', 'web-1', at('dst'), at('src'), size, mtimeMs);
    writeFileSync(at(`.dst.labmesh-${transfer}`), randomBytes(5_000), { mode: 0o600 });
    expect(await refusal(copyIn(plan(at('src'), at('dst')), world().parts))).toMatchObject({ reason: 'checksum' });
    expect(await copyIn(plan(at('src'), at('dst')), world().parts)).toMatchObject({ resumed: 0 });
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
  });
});

describe('from a server', () => {
  test('a file under a name, and into a folder under the name it has there', async () => {
    const bytes = randomBytes(1_500_000);
    writeFileSync(at('src'), bytes);
    mkdirSync(at('in'));
    expect(await copyOut(plan(at('dst'), at('src')), world().parts)).toMatchObject({ bytes: bytes.length, leftOut: 0 });
    await copyOut(plan(at('in'), at('src')), world().parts);
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
    expect(readFileSync(at('in/src')).equals(bytes)).toBe(true);
  });

  test('-r -p: a tree; again over itself', async () => {
    sampleTree(at('src'));
    chmodSync(at('src/a/b'), 0o750);
    for (const target of [at('dst'), at('dst2')]) {
      if (target.endsWith('2')) mkdirSync(target);
      await copyOut(plan(target, at('src'), { recursive: true, preserve: true }), world().parts);
    }
    expect(tree(at('dst'))).toEqual(tree(at('src')));
    expect(tree(at('dst2/src'))).toEqual(tree(at('src')));
    expect(statSync(at('dst/a/b')).mode & 0o777).toBe(0o750);
    await copyOut(plan(at('dst2'), at('src'), { recursive: true }), world().parts);
    expect(tree(at('dst2/src'))).toEqual(tree(at('src')));
  });

  test('links that lead out are left out and told, those inside are made', async () => {
    sampleTree(at('src'));
    symlinkSync('/etc/passwd', at('src/a/abs'));
    symlinkSync('../../..', at('src/a/out'));
    const { parts, warned } = world();
    const copied = await copyOut(plan(at('dst'), at('src'), { recursive: true }), parts);
    expect(copied.leftOut).toBe(2);
    expect(warned).toEqual([
      'src/a/abs: a link that leads out of the tree: /etc/passwd',
      'src/a/out: a link that leads out of the tree: ../../..',
    ]);
    expect(lstatSync(at('dst/a/b/up')).isSymbolicLink()).toBe(true);
    expect(readdirSync(at('dst/a')).toSorted()).toEqual(['b', 'one']);
  });

  test('nothing there, a folder without -r', async () => {
    expect(await refusal(copyOut(plan(at('x'), at('none')), world().parts))).toMatchObject({ reason: 'not-found' });
    mkdirSync(at('dir'));
    expect(await refusal(copyOut(plan(at('x'), at('dir')), world().parts))).toMatchObject({ reason: 'io' });
    expect(await refusal(copyOut(plan(at('no/such/'), at('dir')), world().parts))).toMatchObject({
      reason: 'not-found',
    });
  });

  test('a hundred cuts: nothing lost or doubled (P3)', async () => {
    const bytes = randomBytes(2_000_000);
    writeFileSync(at('src'), bytes);
    const { labd, parts, clock } = world();
    labd.perTurn = () => 1 + (labd.dials % 3);
    const copying = copyOut(plan(at('dst'), at('src')), parts);
    let isOver = false;
    void copying.finally(() => (isOver = true));
    let cuts = 0;
    while (!isOver) {
      await settle(4 + (cuts % 4));
      if (cuts < 100 && parts.meter.bytes > 0) {
        labd.cut();
        cuts++;
      }
      await clock.advance(500);
    }
    expect(await copying).toMatchObject({ bytes: bytes.length });
    expect(cuts).toBeGreaterThan(5);
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
  });

  test('given up at half, then again: it goes on with its part', async () => {
    const stage: unknown[] = []; const tt = setTimeout(() => console.log('STUCK', JSON.stringify(stage), JSON.stringify([(globalThis as any).CH.received, (globalThis as any).CH.isCut, (globalThis as any).AG.sent, (globalThis as any).AG.isCut]), (globalThis as any).CH, (globalThis as any).AG), 4000); let first: any; let second: any; let third: any;
    const bytes = randomBytes(8 * 1024 * 1024);
    stage.push([1, first?.parts.meter.bytes]);
    writeFileSync(at('src'), bytes);
    stage.push([2, first?.parts.meter.bytes]);
    first = world();
    stage.push([3, first?.parts.meter.bytes]);
    first.labd.perTurn = () => 2;
    stage.push([4, first?.parts.meter.bytes]);
    const cut = refusal(copyOut(plan(at('dst'), at('src')), first.parts));
    stage.push([5, first?.parts.meter.bytes]);
    while (first.parts.meter.bytes < bytes.length / 2) await settle(1);
    stage.push([6, first?.parts.meter.bytes]);
    first.stop.abort();
    stage.push([7, first?.parts.meter.bytes]);
    expect(await cut).toMatchObject({ reason: 'cancelled' });
    stage.push([8, first?.parts.meter.bytes]);
    expect(existsSync(at('dst'))).toBe(false);
    stage.push([9, first?.parts.meter.bytes]);
    second = world();
    stage.push([10, first?.parts.meter.bytes]);
    const copied = await copyOut(plan(at('dst'), at('src')), second.parts);
    stage.push([11, first?.parts.meter.bytes]);
    expect(copied.resumed).toBeGreaterThan(1_000_000);
    stage.push([12, first?.parts.meter.bytes]);
    expect(readFileSync(at('dst')).equals(bytes)).toBe(true);
    stage.push([13, first?.parts.meter.bytes]);
    // The file there is another one now: our part is no beginning of it, and goes.
    third = world();
    stage.push([14, first?.parts.meter.bytes]);
    third.labd.perTurn = () => 2;
    stage.push([15, first?.parts.meter.bytes]);
    const again = refusal(copyOut(plan(at('dst'), at('src')), third.parts));
    stage.push([16, first?.parts.meter.bytes]);
    while (third.parts.meter.bytes < bytes.length / 2) await settle(1);
    stage.push([17, first?.parts.meter.bytes]);
    third.stop.abort();
    stage.push([18, first?.parts.meter.bytes]);
    await again;
    stage.push([19, first?.parts.meter.bytes]);
    writeFileSync(at('src'), randomBytes(bytes.length));
    stage.push([20, first?.parts.meter.bytes]);
    expect(await refusal(copyOut(plan(at('dst'), at('src')), world().parts))).toMatchObject({ reason: 'checksum' });
    stage.push([21, first?.parts.meter.bytes]);
    expect(await copyOut(plan(at('dst'), at('src')), world().parts)).toMatchObject({ resumed: 0 });
    stage.push([22, first?.parts.meter.bytes]);
    expect(readFileSync(at('dst')).equals(readFileSync(at('src')))).toBe(true);
    stage.push([23, first?.parts.meter.bytes]);
  });
});

describe('names of copies', () => {
  test('the same for the same copy, another one for another; UUIDs that OPEN takes', () => {
    const one = transferId('in', 'a', '/b', '/c', 1, 2.5);
    stage.push([24, first?.parts.meter.bytes]);
    expect(transferId('in', 'a', '/b', '/c', 1, 2.5)).toBe(one);
    stage.push([25, first?.parts.meter.bytes]);
    expect(transferId('in', 'a', '/b/c', '', 1, 2.5)).not.toBe(one);
    stage.push([26, first?.parts.meter.bytes]);
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    stage.push([27, first?.parts.meter.bytes]);
  });

  test('--login goes along, and free space is told', async () => {
    writeFileSync(at('src'), 'abc');
    stage.push([28, first?.parts.meter.bytes]);
    const { parts, labd } = world();
    stage.push([29, first?.parts.meter.bytes]);
    await copyIn(plan(at('src'), at('dst'), { login: testWorld().accounts.self.name }), parts);
    stage.push([30, first?.parts.meter.bytes]);
    expect(labd.opens[0]).toMatchObject({ totalBytes: 3, login: testWorld().accounts.self.name });
    stage.push([31, first?.parts.meter.bytes]);
  });
});
