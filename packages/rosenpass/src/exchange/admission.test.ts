/** Where V02 peers are that are away, and can answer no cookie: what a flood of forged addresses leaves them (D3, D5). */
import { describe, expect, test } from 'bun:test';
import type { ProtocolVersion } from '../effects.ts';
import { Admission, type CookieMode } from './admission.ts';
import type { CookieSecrets } from './cookie-secrets.ts';

const message = new Uint8Array(1_092);
const workers = 2;
/** RP_UNKNOWN. */
const perSecond = 10 * workers;
const turnMs = 30_000;

/** A gate that remembers peers at 10.5.N.N, and nobody proves anything. */
function gate(peers: number, mode: CookieMode = 'auto') {
  const admission = new Admission(mode, { fits: () => false } as unknown as CookieSecrets, workers);
  const queue = { overHalf: false, hasRoom: () => true };
  const address = (n: number) => `10.5.${n >> 8}.${n & 255}`;
  for (let n = 0; n < peers; n++) admission.learn(address(n));
  const asks = (from: string, now: number, version: ProtocolVersion = 'V02') =>
    admission.judge({ source: { address: from, port: 1 }, message, version, now }, queue);
  /** One from each of these peers' addresses every 100 ms, the last at the end; how many are admitted. */
  const forge = (forged: readonly number[], fromMs: number, untilMs: number) => {
    let admitted = 0;
    for (let now = fromMs; now <= untilMs; now += 100)
      admitted += forged.filter((n) => asks(address(n), now) === 'unknown').length;
    return admitted;
  };
  return { asks, forge, address, queue };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

describe('a peer of V02 that is away', () => {
  test.each(['auto', 'off'] as const)(
    'has its turn, whoever forges the addresses of 200 others (cookie %s)',
    (mode) => {
      const { asks, forge, address } = gate(201, mode);
      const others = range(0, 200);
      // Theirs come together, and take what all have for some seconds of each half minute.
      forge(others, 0, 75_000);
      expect(asks(address(200), 75_000)).toBe('unknown');
      // Once: it is no way for a flood.
      expect(asks(address(200), 75_000)).toBe('rate');
      forge(others, 75_100, 75_000 + turnMs);
      expect(asks(address(200), 75_000 + turnMs)).toBe('unknown');
    },
  );

  test('has its turn yet when the queue was full as it came', () => {
    const { asks, forge, address, queue } = gate(201);
    forge(range(0, 200), 0, 75_000);
    queue.hasRoom = () => false;
    expect(asks(address(200), 75_000)).toBe('rate');
    queue.hasRoom = () => true;
    expect(asks(address(200), 75_001)).toBe('unknown');
  });

  test('is one of those who ask from its own address, and no more, when that is forged', () => {
    const { asks, forge, address } = gate(1);
    expect(forge([0], 0, 60_000)).toBeLessThanOrEqual(10 + 5 * 60);
    // The address's own rate is used up at most moments.
    const tries = range(0, 100).map((n) => asks(address(0), 60_000 + n));
    expect(tries.filter((verdict) => verdict === 'unknown').length).toBeLessThanOrEqual(2);
    expect(tries).not.toContain('cookie');
  });

  test('costs twice RP_UNKNOWN at most, however many addresses are forged', () => {
    const { forge } = gate(5_000);
    const seconds = 20;
    const admitted = forge(range(0, 5_000), 0, seconds * 1_000);
    expect(admitted).toBeGreaterThan(2 * perSecond * (seconds - 1));
    expect(admitted).toBeLessThanOrEqual(2 * perSecond * (seconds + 1));
  });

  test('at an address where none was is a stranger: it has its share of RP_UNKNOWN, and is asked for a cookie', () => {
    const { asks } = gate(1);
    const verdicts = range(0, 1_000).map((n) => asks(`203.0.${n >> 8}.${n & 255}`, n));
    expect(verdicts.filter((verdict) => verdict === 'unknown').length).toBeLessThanOrEqual(2 * perSecond);
    expect(new Set(verdicts)).toEqual(new Set(['unknown', 'cookie']));
  });
});

test('who can prove its address has no turn: it is asked for a cookie, where a peer was as well', () => {
  const { asks, forge, address } = gate(201);
  forge(range(0, 200), 0, 10_000);
  expect(asks(address(200), 10_000, 'V03')).toBe('cookie');
});
