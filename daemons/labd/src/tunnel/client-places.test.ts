import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { ClientPlaces } from './client-places.ts';

const sha256 = `sha256:${'0'.repeat(64)}`;
const row = (endpoint: string | null, rosenpass: string | null = sha256) => ({
  id: 'branch',
  endpoint,
  rosenpass_sha256: rosenpass,
});

/** A resolver that says what it is told to, in `answers`. */
function ground() {
  const clock = new FakeClock();
  const answers = new Map<string, string[]>();
  const moved: string[] = [];
  const asked: string[] = [];
  const places = new ClientPlaces({
    lookup: (host) => {
      asked.push(host);
      const found = answers.get(host);
      return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found);
    },
    onMoved: (id) => moved.push(id),
    clock,
    log: silentLogger,
  });
  let unansweredMs = 0;
  const look = async (afterMs: number, silentMs: number) => {
    unansweredMs = silentMs;
    await clock.advance(afterMs);
    await places.look(() => unansweredMs);
    return places.at(row('branch.example:9999')).rosenpass?.address;
  };
  return { places, answers, moved, asked, look };
}

describe('where a client is dialled (X3, X7)', () => {
  test('WireGuard is on the port after Rosenpass’s; of a plain client the endpoint is its own', () => {
    const { places } = ground();
    expect(places.at(row('198.51.100.7:9999'))).toEqual({
      rosenpass: { address: '198.51.100.7', port: 9_999 },
      wireguard: { address: '198.51.100.7', port: 10_000 },
    });
    expect(places.at(row('[2001:db8::7]:51820', null))).toEqual({
      wireguard: { address: '2001:db8::7', port: 51_820 },
    });
    expect(places.at(row('198.51.100.7:65535')).wireguard).toBeUndefined();
    expect(places.at(row(null))).toEqual({});
  });

  test('an address is never looked up', async () => {
    const { places, asked } = ground();
    places.at(row('198.51.100.7:9999'));
    await places.look(() => Infinity);
    expect(asked).toEqual([]);
  });
});

describe('a name (N2)', () => {
  test('is asked at once and again until it has an address; then the client is set anew', async () => {
    const { places, answers, moved, asked, look } = ground();
    expect(places.at(row('branch.example:9999'))).toEqual({ rosenpass: undefined, wireguard: undefined });
    expect(await look(0, 0)).toBeUndefined();
    expect(await look(29_999, 0)).toBeUndefined();
    expect(asked).toEqual(['branch.example']);
    answers.set('branch.example', ['198.51.100.7']);
    expect(await look(1, 0)).toBe('198.51.100.7');
    expect(moved).toEqual(['branch']);
    // One that answers is left in peace.
    await look(3_600_000, 0);
    expect(asked.length).toBe(2);
  });

  test('all its addresses have their turn while nobody answers; then it is asked again, and keeps what it had', async () => {
    const { places, answers, look } = ground();
    places.at(row('branch.example:9999'));
    answers.set('branch.example', ['198.51.100.7', '198.51.100.8']);
    const seen = [await look(0, 0), await look(30_000, 30_000), await look(29_000, 59_000), await look(1_000, 60_000)];
    expect(seen).toEqual(['198.51.100.7', '198.51.100.8', '198.51.100.8', '198.51.100.7']);
    answers.set('branch.example', ['203.0.113.1']);
    expect(await look(30_000, 90_000)).toBe('203.0.113.1');
    answers.delete('branch.example');
    expect(await look(30_000, 120_000)).toBe('203.0.113.1');
  });

  test('one that was removed while it was asked moves nobody', async () => {
    const { places, answers, moved } = ground();
    answers.set('branch.example', ['198.51.100.7']);
    places.at(row('branch.example:9999'));
    const looking = places.look(() => 0);
    places.forget('branch');
    await looking;
    expect(moved).toEqual([]);
  });
});
