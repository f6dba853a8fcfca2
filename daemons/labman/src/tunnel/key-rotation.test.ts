import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { OwnPair } from '@labmesh/tunnel/keys/tunnel-keys';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { KeyRotation } from './key-rotation.ts';

const pair = (index: number, digit: string): OwnPair => ({
  index,
  fingerprint: `sha256:${digit.repeat(64)}`,
  prefixes: new Uint8Array(),
  publicKey: new Uint8Array(),
});
const [old, next] = [pair(0, 'a'), pair(1, 'b')];
const wireguard = { state: 'done', publicKey: `${'W'.repeat(42)}Y=` } as const;
const refused = new FleetError('PIN_MISMATCH', { message: 'the keys of this node changed' });

/** Keys, a tunnel and a Conplane that do as they are told; `calls` tells what was asked of them, in order. */
function rig(options: { register?: (call: number) => void; state?: { nodeId: string }; promote?: () => void } = {}) {
  const { register = () => undefined, state, promote = () => undefined } = options;
  const clock = new FakeClock();
  const calls: string[] = [];
  const keys = {
    ownKey: old,
    nextKey: undefined as OwnPair | undefined,
    makeNext: () => {
      calls.push('make');
      keys.nextKey ??= next;
      return Promise.resolve(next);
    },
    promoteNext: () => {
      promote();
      calls.push('promote');
      [keys.ownKey, keys.nextKey] = [next, undefined];
      return old;
    },
  };
  let registered = 0;
  const rotation = new KeyRotation({
    keys,
    tunnel: () => ({
      beginWith: ({ index }) => Promise.resolve(void calls.push(`begin ${index}`)),
      forget: ({ index }) => void calls.push(`forget ${index}`),
      doubtKey: () => void calls.push('doubt'),
    }),
    wireguard: {
      rotate: () => {
        calls.push('wireguard');
        return Promise.resolve(wireguard);
      },
    },
    registration: () => ({
      state: state as never,
      rekey: ({ fingerprint }) => {
        calls.push(`register ${fingerprint.at(-1)}`);
        return new Promise((resolve) => resolve(register(++registered)));
      },
      again: () => void calls.push('again'),
    }),
    clock,
    log: silentLogger,
  });
  const { signal } = new AbortController();
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      await clock.advance(500);
    }
  };
  return { rotation, keys, calls, pass, rotate: () => rotation.rotate(signal) };
}

describe('another Rosenpass pair', () => {
  test('is made, registered, begun with, and takes over with its first exchange', async () => {
    const { rotation, calls, rotate, pass } = rig();
    const rotating = rotate();
    await pass(500);
    expect(calls).toEqual(['make', 'register b', 'begin 1']);
    rotation.exchangedWith(0);
    expect(calls).toHaveLength(3);
    rotation.exchangedWith(1);
    expect(calls.slice(3)).toEqual(['promote', 'forget 0']);
    await pass(500);
    expect(await rotating).toEqual({ state: 'done', rosenpassSha256: next.fingerprint, trust: null, wireguard });
    rotation.exchangedWith(1);
    expect(calls.slice(5)).toEqual(['wireguard']);
  });

  test('that the hub wants a word for is kept, and the word is told as it is to be typed', async () => {
    const { calls, rotate, keys } = rig({
      state: { nodeId: 'node-7' },
      register: () => {
        throw refused;
      },
    });
    expect(await rotate()).toEqual({
      state: 'refused',
      rosenpassSha256: next.fingerprint,
      trust: `labctl tunnel trust node-7 ${next.fingerprint}`,
      wireguard: null,
    });
    expect(calls).toEqual(['make', 'register b']);
    expect(keys.nextKey).toBe(next);
  });

  test('that no exchange has proven in time is registered, and the old one stays', async () => {
    const { rotation, calls, rotate, pass, keys } = rig();
    const rotating = rotate();
    await pass(12_000);
    expect(await rotating).toMatchObject({ state: 'registered' });
    expect(keys.ownKey).toBe(old);
    // The exchange comes later, by itself.
    rotation.exchangedWith(1);
    expect(calls.at(-1)).toBe('forget 0');
  });

  test('whose registration got lost is tried again, and then whichever the hub knows is found out', async () => {
    const lost = () => {
      throw new Error('socket hang up');
    };
    const { calls, rotate, pass } = rig({ register: lost });
    const rotating = rotate();
    rotating.catch(() => undefined);
    await pass(4_000);
    expect(await thrower(rotating)).toThrow('hang up');
    const tried = ['register b', 'doubt'];
    expect(calls).toEqual(['make', ...tried, ...tried, ...tried, 'again']);
  });

  test('is not doubted when the Conplane refuses it for another reason', async () => {
    const { calls, rotate } = rig({
      register: () => {
        throw new FleetError('CONFLICT', { message: 'another node has it' });
      },
    });
    expect(await thrower(rotate())).toThrow('another node has it');
    expect(calls).toEqual(['make', 'register b']);
  });

  test('is made once for all who ask at the same time', async () => {
    const { rotation, calls, rotate, pass } = rig();
    const [one, two] = [rotate(), rotate()];
    await pass(500);
    rotation.exchangedWith(1);
    await pass(500);
    expect(await one).toEqual(await two);
    expect(calls.filter((call) => call === 'make')).toHaveLength(1);
  });

  test('that could not be put on disk takes over at a later exchange', () => {
    let isFull = true;
    const { rotation, keys, calls } = rig({
      promote: () => {
        if (isFull) throw new Error('ENOSPC');
      },
    });
    keys.nextKey = next;
    rotation.exchangedWith(1);
    expect([calls, keys.ownKey]).toEqual([[], old]);
    isFull = false;
    rotation.exchangedWith(1);
    expect(calls).toEqual(['promote', 'forget 0']);
  });
});

test('without a Conplane there is nobody to tell', async () => {
  const { keys } = rig();
  const parts = { keys, tunnel: () => ({}) as never, registration: () => undefined, wireguard: {} as never };
  const rotation = new KeyRotation({ ...parts, clock: new FakeClock(), log: silentLogger });
  expect(await thrower(rotation.rotate(new AbortController().signal))).toThrow('without a Conplane');
  expect(keys.nextKey).toBeUndefined();
});
