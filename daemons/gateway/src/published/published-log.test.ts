import { beforeEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient } from '../arena/arena-client.ts';
import { PublishedLog } from './published-log.ts';
import { allTimes, askedAtOnce } from './stranger-bounds.ts';

const size = 400_000_000;
let clock: FakeClock;
let log: PublishedLog;
/** What the arena was asked for. */
let asked: string[];
/** Paths that it has no file for. */
let missing: Set<string>;
let answer: (path: string) => string;

const arena = {
  send: (request: Parameters<ArenaClient['send']>[0], sink: Parameters<ArenaClient['send']>[1]) => {
    const path = request.path.replace(/^\/api\/arena\/(?:log\/)?/, '');
    asked.push(path);
    sink.onHead({ status: missing.has(path) ? 404 : 200 } as Parameters<typeof sink.onHead>[0]);
    sink.onData(Buffer.from(answer(path)));
    // Where the caller has its call.
    queueMicrotask(() => sink.onEnd());
    return { abort: () => {} };
  },
} as unknown as ArenaClient;

beforeEach(() => {
  [clock, asked, missing] = [new FakeClock(), [], new Set()];
  log = new PublishedLog(clock);
  answer = (path) => (path === 'checkpoint' ? `the log\n${size}\n` : `${path} at ${clock.now()}`);
});

/** The file that a stranger is given, or the code of why not. */
async function get(name: string, peer = '192.0.2.1'): Promise<string> {
  let body = '';
  const reply: Exchange['reply'] = (_, __, bytes) => void (body = Buffer.from(bytes as string).toString());
  const exchange = { method: 'GET', path: `/log/${name}`, peer, header: () => undefined, reply } as unknown as Exchange;
  try {
    await log.serve(arena, exchange, 'r1');
    return body;
  } catch (error) {
    return error instanceof ApiError ? error.code : String(error);
  }
}
const askedFor = (name: string) => asked.filter((one) => one === name).length;
const full = (at: number) =>
  `tile/0/x${String(1 + Math.floor(at / 1_000)).padStart(3, '0')}/${String(at % 1_000).padStart(3, '0')}`;

/** Networks that take whatever strangers may ask for. */
async function useUp(): Promise<void> {
  for (let at = 0; at < askedAtOnce * allTimes; at++) await get(full(at), `203.0.113.${at % 8}`);
  expect(await get(full(9_999), '203.0.113.9')).toBe('rate_limit_exceeded');
}

describe('when strangers ask for all that they may', () => {
  test('what every verifier needs is given on, as new as ever, and asked for once in its time', async () => {
    await useUp();
    for (const [name, freshMs] of [
      ['checkpoint', 1_000],
      ['revocations', 2_000],
      ['trust.json', 60_000],
    ] as const) {
      const before = askedFor(name);
      for (let time = 0; time < 3; time++) {
        await clock.advance(freshMs);
        const given = await Promise.all(Array.from({ length: 50 }, (_, at) => get(name, `198.51.100.${at}`)));
        expect(new Set(given)).toEqual(new Set([answer(name)]));
      }
      expect(askedFor(name) - before).toBe(3);
    }
  });

  test('of a tile that has been given once the copy is given', async () => {
    const part = 'tile/0/000.p/7';
    const first = await get(part);
    await clock.advance(61_000);
    await useUp();
    expect([await get(part), askedFor(part)]).toEqual([first, 1]);
    await clock.advance(1_000);
    expect([await get(part), askedFor(part)]).toEqual([`${part} at 62000`, 2]);
  });
});

test('files that are not there, and tiles that are not full, push out no full tile', async () => {
  for (let at = 0; at < 1_024; at++) {
    await get(full(at));
    await clock.advance(20);
  }
  for (let at = 0; at < 400; at++) {
    const part = `${full(5_000 + at)}.p/${1 + (at % 255)}`;
    if (at % 2 === 0) missing.add(part);
    expect(await get(part)).toBe(missing.has(part) ? 'unknown_route' : answer(part));
    await clock.advance(20);
  }
  asked = [];
  for (let at = 0; at < 1_024; at++) await get(full(at));
  expect(asked.filter((name) => name !== 'checkpoint')).toEqual([]);
});

test('another spelling of a name is no name, and asks nobody', async () => {
  for (const name of ['tile/00/000', 'tile/0/x000/001', 'tile/0/001.p/01'])
    expect(await get(name)).toBe('unknown_route');
  expect(asked).toEqual([]);
});

test('of a log that another took the place of nothing is given on', async () => {
  const first = await get('tile/0/000');
  answer = (path) => (path === 'checkpoint' ? 'the log\n300\n' : 'another');
  await clock.advance(1_000);
  expect(first).toStartWith('tile/0/000 at');
  await get('checkpoint');
  expect([await get('tile/0/000'), await get('tile/0/001')]).toEqual(['another', 'unknown_route']);
});
