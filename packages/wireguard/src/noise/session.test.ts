import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chooseAead } from '../aead/choose-aead.ts';
import { messageKind } from './message-layout.ts';
import { ReplayWindow, windowSize } from './replay-window.ts';
import { paddedLength, Session } from './session.ts';

const { aead } = await chooseAead();
const key = (byte: number) => new Uint8Array(32).fill(byte);

function pair(): [Session, Session] {
  const a = {
    keys: { send: key(1), receive: key(2) },
    initiator: true,
    localIndex: 7,
    remoteIndex: 9,
    bornMs: 0,
    bornWallMs: 0,
  };
  const b = {
    keys: { send: key(2), receive: key(1) },
    initiator: false,
    localIndex: 9,
    remoteIndex: 7,
    bornMs: 0,
    bornWallMs: 0,
  };
  return [new Session(a), new Session(b)];
}

function sealed(session: Session, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(16 + packet.length + 32);
  buffer.set(packet, 16);
  return buffer.subarray(0, session.seal(aead, buffer, 16, packet.length, 1420));
}

describe('session', () => {
  test('packets of any length come through, padded by zeros', () => {
    const [a, b] = pair();
    const property = fc.property(fc.uint8Array({ maxLength: 1420 }), (packet) => {
      const message = sealed(a, packet);
      expect(messageKind(message)).toBe('data');
      const length = b.open(aead, message);
      expect(length).toBe(paddedLength(packet.length, 1420));
      expect(message.subarray(16, 16 + packet.length)).toEqual(packet);
      expect(message.subarray(16 + packet.length, 16 + Number(length)).every((byte) => byte === 0)).toBe(true);
    });
    fc.assert(property, { numRuns: 200 });
  });

  test('padding ends at a block or at the MTU', () => {
    expect([0, 1, 16, 1409, 1420].map((length) => paddedLength(length, 1420))).toEqual([0, 16, 16, 1420, 1420]);
    expect(paddedLength(1430, 1420)).toBe(1430);
  });

  test('a replay is refused, a forgery marks nothing', () => {
    const [a, b] = pair();
    const first = sealed(a, key(3));
    const forged = first.slice();
    forged[20]! ^= 1;
    expect(b.open(aead, forged)).toBe('forged');
    expect(b.open(aead, first.slice())).toBe(32);
    expect(b.open(aead, first.slice())).toBe('replay');
  });

  test('a counter that no session reaches is refused before anything is opened', () => {
    const [a, b] = pair();
    const message = sealed(a, key(3));
    message.fill(0xff, 8, 16);
    expect(b.open(aead, message)).toBe('replay');
  });

  test('after wiping nothing opens', () => {
    const [a, b] = pair();
    b.wipe();
    expect(b.open(aead, sealed(a, key(3)))).toBe('forged');
  });
});

describe('replay window', () => {
  test('agrees with a plain set over random orders', () => {
    const steps = fc.array(fc.oneof(fc.nat(200), fc.nat(5000), fc.constant(2040), fc.constant(2100)), {
      maxLength: 400,
    });
    const property = fc.property(steps, fc.nat(2 ** 31), (steps, base) => {
      const [window, seen] = [new ReplayWindow(), new Set<number>()];
      let highest = -1;
      for (const step of steps) {
        const counter = base * 4096 + Math.max(0, step + Math.max(0, highest - base * 4096) - 1000);
        const fresh = !seen.has(counter) && counter > highest - windowSize;
        expect(window.mayBeNew(counter)).toBe(fresh);
        if (!fresh) continue;
        window.mark(counter);
        seen.add(counter);
        highest = Math.max(highest, counter);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('holds exactly 2,048 counters', () => {
    const window = new ReplayWindow();
    window.mark(5000);
    expect(window.mayBeNew(5000 - 2047)).toBe(true);
    expect(window.mayBeNew(5000 - 2048)).toBe(false);
    expect(window.mayBeNew(5000)).toBe(false);
    expect(window.mayBeNew(5001)).toBe(true);
  });
});

test('the kind of a datagram is its type, zeros and length', () => {
  const kinds = new Map<string | undefined, number>();
  for (let type = 0; type < 256; type += 1) {
    for (let length = 0; length <= 200; length += 1) {
      const datagram = new Uint8Array(length);
      datagram[0] = type;
      const kind = messageKind(datagram);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (length > 3) {
        datagram[3] = 1;
        expect(messageKind(datagram)).toBeUndefined();
      }
    }
  }
  expect(kinds.get('initiation')).toBe(1);
  expect(kinds.get('response')).toBe(1);
  expect(kinds.get('cookieReply')).toBe(1);
  expect(kinds.get('data')).toBe(169);
});
