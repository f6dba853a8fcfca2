import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { ExchangeResult } from '@labmesh/wire/tunnel';
import { WireguardRotation } from './wireguard-rotation.ts';

const pair = (fill: number) => ({
  privateKey: new Uint8Array(32).fill(fill),
  publicKey: new Uint8Array(32).fill(fill + 100),
});
const textOf = (key: Uint8Array) => Buffer.from(key).toString('base64');
const [old, next] = [pair(1), pair(2)];

type World = {
  /** Whether the hub says that it answers the next key. */
  takes: boolean;
  exchanges: boolean;
  shakes: boolean;
  /** How often the device refuses. */
  refusals: number;
  /** The API answers with a proof of before. */
  replays: boolean;
  /** The hub has announced a change of its own. */
  hubNext: object | undefined;
};

/** Keys, a tunnel and a Conplane that do as the world says; `calls` tells what was asked of them, in order. */
function rig(change: Partial<World> = {}) {
  const world: World = {
    takes: true,
    exchanges: true,
    shakes: true,
    refusals: 0,
    replays: false,
    hubNext: undefined,
    ...change,
  };
  const clock = new FakeClock();
  const calls: string[] = [];
  let handshakeMs: number | undefined = clock.wall();
  const keys = {
    ownKey: {} as never,
    wireguard: old,
    nextWireguard: undefined as typeof next | undefined,
    makeNextWireguard: () => (keys.nextWireguard ??= next),
    promoteNextWireguard: () => {
      calls.push('promote');
      [keys.wireguard, keys.nextWireguard] = [next, undefined];
      return next;
    },
  };
  const rotation = new WireguardRotation({
    keys,
    tunnel: () => ({
      exchangeNow: () => {
        calls.push('exchange');
        return Promise.resolve({ ok: world.exchanges } as ExchangeResult);
      },
      switchKey: ([first]) => {
        calls.push(`switch ${first}`);
        if (world.refusals-- > 0) return Promise.reject(new Error('UAPI_FAILED'));
        if (world.shakes) handshakeMs = clock.wall() + 1;
        return Promise.resolve();
      },
      lastHandshakeMs: () => Promise.resolve(handshakeMs),
      isNextTaken: (known, current, key, proof, since = -Infinity) =>
        `${known} ${proof}` === 'hub good' &&
        (!world.replays || since === -Infinity) &&
        current === textOf(old.publicKey) &&
        key === textOf(next.publicKey),
    }),
    registration: () => ({
      state: { hub: { next: world.hubNext } } as never,
      rekey: () => {
        calls.push('register');
        if (world.takes) rotation.taken('hub', textOf(next.publicKey), 'good');
        return Promise.resolve();
      },
      again: () => void calls.push('again'),
    }),
    clock,
    log: silentLogger,
  });
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 250) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      await clock.advance(250);
    }
  };
  return { rotation, world, keys, calls, pass, rotate: () => rotation.rotate(new AbortController().signal) };
}

describe('another WireGuard pair of a node (K8)', () => {
  test('is registered, keyed by an exchange, and taken: on disk first, then in the device', async () => {
    const { calls, rotate, pass, keys } = rig();
    const rotating = rotate();
    await pass(3_000);
    expect(await rotating).toEqual({ state: 'done', publicKey: textOf(next.publicKey) });
    expect(calls).toEqual(['register', 'exchange', 'register', 'promote', 'switch 2']);
    expect([keys.wireguard, keys.nextWireguard]).toEqual([next, undefined]);
  });

  test('that the hub does not answer is kept, and nothing is touched', async () => {
    const { calls, rotate, pass, keys } = rig({ takes: false });
    const rotating = rotate();
    await pass(1_000);
    expect(await rotating).toMatchObject({ state: 'begun' });
    await pass(60_000);
    expect([calls, keys.wireguard]).toEqual([['register'], old]);
  });

  test('of an earlier run goes on with the registration that finds it taken; another key is nobody’s', async () => {
    const { rotation, calls, pass, keys } = rig();
    rotation.taken('hub', textOf(next.publicKey), 'good');
    keys.nextWireguard = next;
    rotation.taken('hub', textOf(old.publicKey), 'good');
    await pass(5_000);
    // Whoever has no more than the API says nothing with it.
    rotation.taken('hub', textOf(next.publicKey), 'bad');
    await pass(5_000);
    expect(calls).toEqual([]);
    rotation.exchanged();
    rotation.exchanged();
    expect(calls.splice(0)).toEqual([]);
    await pass(1_250);
    expect(calls.splice(0)).toEqual(['again']);
    rotation.taken('hub', textOf(next.publicKey), 'good');
    rotation.taken('hub', textOf(next.publicKey), 'good');
    await pass(5_000);
    expect(calls).toEqual(['exchange', 'register', 'promote', 'switch 2']);
  });

  test('waits for an exchange, and while the hub changes its own', async () => {
    const { world, calls, rotate, pass } = rig({ exchanges: false, hubNext: {} });
    const rotating = rotate();
    await pass(15_000);
    expect(calls).toEqual(['register']);
    world.hubNext = undefined;
    await pass(31_000);
    expect(await rotating).toMatchObject({ state: 'begun' });
    expect([calls.includes('exchange'), calls.includes('promote')]).toEqual([true, false]);
    world.exchanges = true;
    // The longest wait, as far as it is spread.
    await pass(50_000);
    expect(calls.slice(-2)).toEqual(['promote', 'switch 2']);
  });

  test('that the hub no longer answers, or not by its last exchange, is not used: the old one stays until it is proven', async () => {
    const { world, rotation, calls, pass, keys } = rig({ takes: false });
    keys.nextWireguard = next;
    rotation.taken('hub', textOf(next.publicKey), 'good');
    await pass(30_000);
    [world.takes, world.replays] = [true, true];
    await pass(60_000);
    expect([calls.includes('promote'), keys.wireguard]).toEqual([false, old]);
    expect(calls.filter((call) => call === 'register').length).toBeGreaterThan(3);
    world.replays = false;
    await pass(90_000);
    expect(calls.slice(-2)).toEqual(['promote', 'switch 2']);
    await rotation[Symbol.asyncDispose]();
  });

  test('that the device refuses is given to it again', async () => {
    const { calls, rotate, pass } = rig({ refusals: 3 });
    const rotating = rotate();
    await pass(15_000);
    expect(await rotating).toMatchObject({ state: 'done' });
    expect(calls.filter((call) => call === 'switch 2')).toHaveLength(4);
  });

  test('without a handshake in time is no more than begun; it ends with the process', async () => {
    const { rotation, calls, rotate, pass } = rig({ shakes: false });
    const rotating = rotate();
    await pass(15_000);
    expect([await rotating, calls.at(-1)]).toEqual([{ state: 'begun', publicKey: textOf(next.publicKey) }, 'again']);
    const other = rig({ exchanges: false });
    const waiting = other.rotate();
    await other.pass(1_000);
    await other.rotation[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ state: 'begun' });
    await rotation[Symbol.asyncDispose]();
  });
});
