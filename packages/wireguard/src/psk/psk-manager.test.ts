import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { PeerState } from '../tunnel-device.ts';
import { PskManager, type PskEvent } from './psk-manager.ts';
import type { PskPeer } from './psk-record.ts';

const publicKey = new Uint8Array(32).fill(7);
const osk = (value: number) => new Uint8Array(32).fill(value);
const strict: PskPeer = { id: 'hub', publicKey, mode: 'strict', hasRosenpass: true, fallbackAfterMs: 60_000 };

/** A device that remembers; `refuses` makes its next writes fail. */
function fakeDevice() {
  const device = {
    psk: undefined as Uint8Array | undefined,
    isThere: true,
    cuts: 0,
    refuses: false,
    handshakeMs: undefined as number | undefined,
    setPsk(_: Uint8Array, psk: Uint8Array) {
      if (device.refuses) return Promise.reject(new Error('the device is away'));
      if (!device.isThere) return Promise.resolve(undefined);
      device.psk = psk.slice();
      return Promise.resolve(psk.slice());
    },
    cutPeer(_: Uint8Array, psk: Uint8Array) {
      if (device.refuses) return Promise.reject(new Error('the device is away'));
      device.cuts++;
      device.psk = psk.slice();
      device.handshakeMs = undefined;
      return Promise.resolve(device.isThere);
    },
    peers(): Promise<PeerState[]> {
      const { handshakeMs: lastHandshakeMs } = device;
      const rest = { address: '10.90.0.1', endpoint: undefined, keepaliveS: 25, rxBytes: 1, txBytes: 2 };
      return Promise.resolve(device.isThere ? [{ publicKey, lastHandshakeMs, ...rest }] : []);
    },
  };
  return device;
}

function rig(peer: PskPeer = strict) {
  const clock = new FakeClock();
  const device = fakeDevice();
  const events: PskEvent[] = [];
  let drawn = 100;
  const random = (bytes: number) => new Uint8Array(bytes).fill(drawn++);
  const manager = new PskManager({ device, clock, random, onEvent: (event) => void events.push(event) });
  device.psk = manager.add(peer);
  const names = () => events.filter(({ event }) => event !== 'pq').map(({ event }) => event);
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1_000) {
      void clock.advance(Math.min(1_000, left));
      await manager.poll();
    }
  };
  const handshake = () => (device.handshakeMs = clock.wall());
  const pq = () => manager.status(peer.id);
  return { clock, device, events, names, manager, pass, handshake, pq };
}

describe('PSKs of a strict peer', () => {
  test('random at first; an exchange makes it active once a handshake followed', async () => {
    const { device, manager, pass, handshake, pq } = rig();
    expect(device.psk).toEqual(osk(100));
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'no_exchange', pskKind: 'random' });
    const key = osk(1);
    await manager.exchanged('hub', key);
    expect(key).toEqual(osk(0));
    expect(device.psk).toEqual(osk(1));
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'no_session', pskKind: 'rosenpass', generation: 1 });
    await pass(1_000);
    handshake();
    await pass(1_000);
    expect(pq()).toMatchObject({ pq: 'active', reason: 'ok', rxBytes: 1, txBytes: 2 });
  });

  test('180 s after the last exchange it is cut, once, within a second; the next exchange heals it', async () => {
    const { device, manager, pass, handshake, pq, names } = rig();
    await manager.exchanged('hub', osk(1));
    await pass(2_000);
    handshake();
    await pass(120_000);
    handshake();
    await pass(57_900);
    expect(device.cuts).toBe(0);
    expect(pq()?.pq).toBe('active');
    await pass(1_000);
    expect(device.cuts).toBe(1);
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'exchange_expired', pskKind: 'random' });
    await pass(300_000);
    expect(names()).toEqual(['cut']);
    await manager.exchanged('hub', osk(2));
    await pass(1_000);
    handshake();
    await pass(1_000);
    expect(pq()).toMatchObject({ pq: 'active', generation: 2 });
  });

  test('the event of the exchange cuts before the poll does, and never a peer whose exchange came meanwhile', async () => {
    const { clock, device, manager } = rig();
    await manager.exchanged('hub', osk(1));
    void clock.advance(180_000);
    await Promise.all([manager.exchanged('hub', osk(2)), manager.stale('hub')]);
    expect(device.cuts).toBe(0);
    void clock.advance(180_000);
    await manager.stale('hub');
    expect(device.cuts).toBe(1);
  });

  test('without any exchange it is cut after 180 s too: a session of an earlier run may live', async () => {
    const { device, pass } = rig();
    await pass(181_000);
    expect(device.cuts).toBe(1);
  });

  test('a device that refuses is told and tried again', async () => {
    const { device, manager, names, pass, pq } = rig();
    device.refuses = true;
    await manager.exchanged('hub', osk(1));
    expect(names()).toEqual(['write_failed']);
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'write_failed' });
    await pass(181_000);
    expect(device.cuts).toBe(0);
    device.refuses = false;
    await pass(1_000);
    expect(device.cuts).toBe(1);
  });

  test('a late key never brings a removed peer back', async () => {
    const { device, manager, names } = rig();
    device.isThere = false;
    const before = device.psk;
    await manager.exchanged('hub', osk(1));
    expect(device.psk).toBe(before);
    expect(names()).toEqual(['write_failed']);
    manager.remove('hub');
    await manager.exchanged('hub', osk(2));
    expect(manager.status('hub')).toBeUndefined();
  });

  test('no handshake after a key: other exchanges are asked for, ever less often, and the mismatch is told', async () => {
    const { manager, events, pass } = rig();
    const wanted: number[] = [];
    let seconds = 0;
    for (; seconds < 900; seconds++) {
      if (seconds % 100 === 0) await manager.exchanged('hub', osk(1 + seconds / 100));
      const before = events.length;
      await pass(1_000);
      if (events.slice(before).some(({ event }) => event === 'exchange_wanted')) wanted.push(seconds);
    }
    const gaps = wanted.slice(1).map((at, index) => at - (wanted[index] ?? 0));
    expect(gaps.slice(0, 3)).toEqual([15, 15, 30]);
    expect(Math.max(...gaps)).toBeGreaterThanOrEqual(240);
    expect(events.some(({ event }) => event === 'psk_mismatch')).toBe(true);
  });

  test('a jump of the wall clock is no proof until the next handshake', async () => {
    const { clock, manager, handshake, pass, pq } = rig();
    await manager.exchanged('hub', osk(1));
    await pass(1_000);
    handshake();
    await pass(1_000);
    expect(pq()?.pq).toBe('active');
    const wall = clock.wall.bind(clock);
    clock.wall = () => wall() + 3_600_000;
    await pass(1_000);
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'clock_jump' });
    handshake();
    await pass(1_000);
    expect(pq()?.pq).toBe('active');
  });

  test('a cut ends what was active at once, also against a look at the device that began before', async () => {
    const { device, manager, handshake, pass, pq } = rig();
    await manager.exchanged('hub', osk(1));
    await pass(1_000);
    handshake();
    await pass(1_000);
    expect(pq()?.pq).toBe('active');
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const { peers } = device;
    device.peers = async () => {
      const states = await peers();
      device.peers = peers;
      await answered;
      return states;
    };
    const look = manager.poll();
    await manager.cut('hub');
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'no_session' });
    answer();
    await look;
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'no_session' });
  });

  test('a clock that is moved in small steps is no proof either', async () => {
    const { clock, manager, handshake, pass, pq } = rig();
    await manager.exchanged('hub', osk(1));
    await pass(1_000);
    handshake();
    await pass(1_000);
    const wall = clock.wall.bind(clock);
    let back = 0;
    clock.wall = () => wall() - back;
    for (let step = 0; step < 5; step++) {
      back += 500;
      await pass(1_000);
    }
    expect(pq()).toMatchObject({ pq: 'stale', reason: 'clock_jump' });
  });

  test('an operator’s cut lasts until the next exchange', async () => {
    const { device, manager, handshake, pass, pq } = rig();
    await manager.exchanged('hub', osk(1));
    expect(await manager.cut('hub')).toBe(true);
    expect(await manager.cut('nobody')).toBe(false);
    expect(device.psk).not.toEqual(osk(1));
    await pass(1_000);
    handshake();
    await pass(1_000);
    expect(pq()?.reason).toBe('session_predates_key');
  });
});

describe('PSKs of a permissive peer', () => {
  const permissive: PskPeer = { ...strict, mode: 'permissive' };

  test('falls back after fallback_after_s, says so, and its first exchange restores it', async () => {
    const { device, manager, names, handshake, pass, pq } = rig(permissive);
    await pass(59_000);
    expect(device.psk).toEqual(osk(100));
    await pass(2_000);
    expect(device.psk).toEqual(osk(0));
    expect(pq()).toMatchObject({ pq: 'off', reason: 'permissive_fallback', pskKind: 'none' });
    expect(names()).toEqual(['fallback']);
    handshake();
    await manager.exchanged('hub', osk(1));
    await pass(1_000);
    expect(pq()?.reason).toBe('session_predates_key');
    handshake();
    await pass(1_000);
    expect(pq()?.pq).toBe('active');
    expect(device.cuts).toBe(0);
  });

  test('later on it waits 180 s; made strict it is cut at once', async () => {
    const { device, manager, pass, pq } = rig(permissive);
    await manager.exchanged('hub', osk(1));
    await pass(179_000);
    expect(pq()?.pskKind).toBe('rosenpass');
    await pass(2_000);
    expect(pq()?.pskKind).toBe('none');
    await manager.setMode('hub', 'strict');
    expect(device.cuts).toBe(1);
    expect(pq()).toMatchObject({ pq: 'stale', pskKind: 'random' });
    await manager.setMode('hub', 'permissive');
    expect(pq()).toMatchObject({ pq: 'off', reason: 'permissive_fallback' });
  });

  test('a classical peer that is made strict loses its session at once', async () => {
    const { device, manager } = rig({ ...permissive, hasRosenpass: false });
    await manager.setMode('hub', 'strict');
    expect(device.cuts).toBe(1);
    expect(device.psk).not.toEqual(osk(0));
  });

  test('a classical peer has no PSK and never claims one', async () => {
    const { device, pass, pq, names } = rig({ ...permissive, hasRosenpass: false });
    expect(device.psk).toEqual(osk(0));
    await pass(400_000);
    expect(pq()).toMatchObject({ pq: 'off', reason: 'no_key', pskKind: 'none' });
    expect(names()).toEqual([]);
  });
});

test('it looks often after a key, and just in time for an expiry', async () => {
  const { clock, manager } = rig();
  expect(manager.pollAfterMs).toBe(5_000);
  await manager.exchanged('hub', osk(1));
  expect(manager.pollAfterMs).toBe(1_000);
  void clock.advance(178_500);
  expect(manager.pollAfterMs).toBe(1_500);
  void clock.advance(5_000);
  expect(manager.pollAfterMs).toBe(250);
});

describe('a next key of a peer (K8)', () => {
  const nextKey = new Uint8Array(32).fill(8);

  /** A device with both keys of one peer. */
  function bothRig(mode: PskPeer['mode']) {
    const clock = new FakeClock();
    const psks = new Map<string, number>();
    const handshakes = new Map<string, number>();
    const calls: string[] = [];
    const name = (key: Uint8Array) => (key === nextKey ? 'next' : 'own');
    let refusing = '';
    const refuse = (who: string) => (who === refusing ? Promise.reject(new Error('the device is away')) : undefined);
    const device = {
      setPsk: async (key: Uint8Array, psk: Uint8Array) => {
        await refuse(name(key));
        psks.set(name(key), psk[0] ?? 0);
        return psk.slice();
      },
      cutPeer: async (key: Uint8Array, psk: Uint8Array) => {
        calls.push(`cut ${name(key)}`);
        await refuse(name(key));
        psks.set(name(key), psk[0] ?? 0);
        return true;
      },
      peers: () => {
        const rest = { address: undefined, endpoint: undefined, keepaliveS: 0, rxBytes: 0, txBytes: 0 };
        const keys = [publicKey, nextKey];
        return Promise.resolve(
          keys.map((key) => ({ ...rest, publicKey: key, lastHandshakeMs: handshakes.get(name(key)) })),
        );
      },
    };
    const events: string[] = [];
    let drawn = 100;
    const random = (bytes: number) => new Uint8Array(bytes).fill(drawn++);
    const manager = new PskManager({ device, clock, random, onEvent: ({ event }) => void events.push(event) });
    manager.add({ ...strict, mode });
    psks.set('next', manager.addNext('hub', nextKey)[0] ?? 0);
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= 1_000) {
        void clock.advance(1_000);
        await manager.poll();
      }
    };
    const shake = () => handshakes.set('next', clock.wall());
    return { manager, psks, calls, events, pass, shake, clock, refuse: (who: string) => (refusing = who) };
  }

  test('that waits on is looked at often for 30 s after each exchange, and then as ever', async () => {
    const { manager, pass } = bothRig('strict');
    for (let round = 0; round < 2; round++) {
      await manager.exchanged('hub', osk(1));
      await pass(29_000);
      expect(manager.pollAfterMs).toBe(200);
      await pass(1_000);
      expect(manager.pollAfterMs).toBe(5_000);
    }
  });

  test('has a random PSK of its own, then each exchanged one; used, it is told until it is taken', async () => {
    const { manager, psks, events, pass, shake } = bothRig('strict');
    expect(psks.get('next')).toBe(101);
    expect(manager.pollAfterMs).toBeGreaterThan(500);
    await manager.exchanged('hub', osk(1));
    expect([psks.get('own'), psks.get('next'), manager.pollAfterMs]).toEqual([1, 1, 200]);
    await pass(1_000);
    shake();
    await pass(2_000);
    expect(events.filter((event) => event === 'next_key_used')).toHaveLength(2);
    expect(await manager.takeNext('hub', () => Promise.resolve(true))).toBe(true);
    expect(manager.status('hub')).toMatchObject({ generation: 1, pskKind: 'rosenpass' });
    await pass(1_000);
    expect(manager.status('hub')?.pq).toBe('active');
    expect(events.filter((event) => event === 'next_key_used')).toHaveLength(2);
  });

  test('strict: both are cut when the exchange has expired, and a refusal of the device is not the end of it', async () => {
    const { manager, psks, calls, pass, refuse, events } = bothRig('strict');
    await manager.exchanged('hub', osk(1));
    refuse('next');
    await pass(181_000);
    expect(calls.slice(0, 2)).toEqual(['cut own', 'cut next']);
    expect(psks.get('own')).toBeGreaterThan(100);
    refuse('');
    await pass(1_000);
    expect(psks.get('next')).toBeGreaterThan(100);
    const cuts = calls.length;
    await pass(5_000);
    expect([calls.length, events.filter((event) => event === 'cut').length]).toEqual([cuts, 1]);
  });

  test('permissive: no PSK is taken from it before it is taken from the peer', async () => {
    const { manager, psks, pass } = bothRig('permissive');
    await manager.exchanged('hub', osk(1));
    await pass(170_000);
    expect(psks.get('next')).toBe(1);
    await pass(12_000);
    expect([psks.get('own'), psks.get('next')]).toEqual([0, 0]);
    await manager.setMode('hub', 'strict');
    expect([psks.get('own'), psks.get('next')].every((psk) => (psk ?? 0) > 100)).toBe(true);
  });

  test('that the device does not hand the place is none; the peer stays', async () => {
    const { manager } = bothRig('strict');
    await manager.exchanged('hub', osk(1));
    expect(await manager.takeNext('hub', () => Promise.resolve(false))).toBe(false);
    expect(manager.status('hub')?.generation).toBe(1);
    expect(manager.pollAfterMs).toBeGreaterThan(500);
    expect(() => manager.addNext('nobody', nextKey)).toThrow('no such peer');
  });
});
