import { describe, expect, test } from 'bun:test';
import { HubAddresses, turnMs } from './hub-addresses.ts';
import type { HubPlace } from './hub-peer.ts';

const [v6, v4, other] = ['2001:db8::1', '192.0.2.1', '192.0.2.7'];
const place = (host: string, exchangeHost = host): HubPlace => ({
  address: '10.90.0.2',
  hubAddress: '10.90.0.1',
  wireguard: { host, port: 51_820 },
  rosenpass: { host: exchangeHost, port: 9_999 },
});

/** Names and what the resolver says of them; a name that is not there fails. */
async function rig(names: Record<string, string[]>, at = place('hub')) {
  const asked: string[] = [];
  const addresses = new HubAddresses((host) => {
    asked.push(host);
    return names[host] === undefined ? Promise.reject(new Error('EAI_AGAIN')) : Promise.resolve(names[host]);
  });
  addresses.point(at);
  let session = false;
  const hasSession = () => Promise.resolve(session);
  await addresses.resolve(hasSession);
  const shown = () => [addresses.reached.rosenpass?.address, addresses.reached.wireguard?.address];
  /** So many turns; gives where both were dialled after each. */
  const turns = async (count: number, unansweredMs = turnMs) => {
    const seen: unknown[] = [];
    for (let n = 0; n < count; n++) {
      const before = shown();
      expect(await addresses.turn({ unansweredMs, hasSession })).toBe(String(before) !== String(shown()));
      seen.push(shown());
    }
    return seen;
  };
  return { addresses, names, asked, hasSession, shown, turns, setSession: (is: boolean) => (session = is) };
}

describe('a hub with several addresses (N2)', () => {
  test('while an exchange has no answer each turn leads to the next, WireGuard beside it', async () => {
    const { turns, shown } = await rig({ hub: [v6, v4, other] });
    expect(shown()).toEqual([v6, v6]);
    expect(await turns(4)).toEqual([
      [v4, v4],
      [other, other],
      [v6, v6],
      [v4, v4],
    ]);
  });

  test('before the first turn is over, and once an answer came, it stays', async () => {
    const { turns } = await rig({ hub: [v6, v4] });
    expect(await turns(1, turnMs - 1)).toEqual([[v6, v6]]);
    expect(await turns(1, 0)).toEqual([[v6, v6]]);
  });

  test('a live session of WireGuard stays where it is; once it has ended it is dialled where the answer came from', async () => {
    const { addresses, turns, shown, setSession, hasSession } = await rig({ hub: [v6, v4] });
    setSession(true);
    expect(await turns(9)).toEqual(Array.from({ length: 9 }, (_, n) => [n % 2 === 0 ? v4 : v6, v6]));
    expect(await addresses.answered(v4, hasSession)).toBe(false);
    expect(shown()).toEqual([v4, v6]);
    setSession(false);
    expect(await addresses.answered(v4, hasSession)).toBe(true);
    expect(shown()).toEqual([v4, v4]);
    expect(await addresses.answered(v4, hasSession)).toBe(false);
  });

  test('an answer may come late, from the address before', async () => {
    const { addresses, turns, shown, hasSession } = await rig({ hub: [v6, v4] });
    await turns(1);
    expect(await addresses.answered(v6, hasSession)).toBe(true);
    expect(shown()).toEqual([v6, v6]);
    expect(await addresses.answered('203.0.113.9', hasSession)).toBe(false);
  });

  test('without an exchange to follow, WireGuard has a try of its own at each address', async () => {
    const { turns, setSession } = await rig({ hub: [v6, v4] }, { ...place('hub'), rosenpass: undefined });
    const seen = (await turns(7, 0)).map((both) => (both as string[])[1]);
    expect(seen).toEqual([v6, v6, v4, v4, v4, v6, v6]);
    setSession(true);
    expect((await turns(9, 0)).every((both) => (both as string[])[1] === v6)).toBe(true);
  });

  test('the two may have names of their own', async () => {
    const { turns } = await rig({ hub: [v6, v4], keys: [other, v4] }, place('hub', 'keys'));
    expect(await turns(6)).toEqual([
      [v4, v4],
      [other, v4],
      [v4, v4],
      [other, v4],
      [v4, v4],
      [other, v6],
    ]);
  });

  test('a hub with one address is left in peace', async () => {
    const { addresses, turns } = await rig({ hub: [v4] });
    expect(addresses.isOpen).toBe(false);
    expect(await turns(8)).toEqual(Array.from({ length: 8 }, () => [v4, v4]));
  });
});

describe('names', () => {
  test('another registration keeps what is known of a name, and the address that works', async () => {
    const { addresses, names, turns, shown, hasSession } = await rig({ hub: [v6, v4] });
    await turns(1);
    addresses.point(place('hub'));
    expect(shown()).toEqual([v4, v4]);
    delete names['hub'];
    expect(await addresses.resolve(hasSession)).toBe(false);
    expect(shown()).toEqual([v4, v4]);
    addresses.point(place('198.51.100.1'));
    expect(shown()).toEqual(['198.51.100.1', '198.51.100.1']);
  });

  test('the last good address stays while the resolver is away; one that the name lost is left', async () => {
    const { addresses, names, shown, hasSession } = await rig({ hub: [v6, v4] });
    names['hub'] = [];
    expect(await addresses.resolve(hasSession)).toBe(false);
    names['hub'] = [other];
    expect(await addresses.resolve(hasSession)).toBe(true);
    expect(shown()).toEqual([other, other]);
  });

  test('one that the name lost is left by the exchange at once, by WireGuard when its session has ended', async () => {
    const { addresses, names, shown, turns, setSession, hasSession } = await rig({ hub: [v4] });
    setSession(true);
    names['hub'] = [other];
    for (const moves of [true, false]) {
      expect(await addresses.resolve(hasSession)).toBe(moves);
      expect(shown()).toEqual([other, v4]);
    }
    expect((await turns(4, 0)).at(-1)).toEqual([other, v4]);
    setSession(false);
    expect(await addresses.answered(other, hasSession)).toBe(true);
    expect(shown()).toEqual([other, other]);
  });

  test('nor does WireGuard need an exchange or another answer of the resolver to leave it', async () => {
    const { addresses, names, shown, turns, setSession, hasSession } = await rig(
      { hub: [v4] },
      { ...place('hub'), rosenpass: undefined },
    );
    setSession(true);
    names['hub'] = [other, v6];
    await addresses.resolve(hasSession);
    setSession(false);
    names['hub'] = [];
    expect(shown()[1]).toBe(v4);
    expect((await turns(3, 0)).at(-1)).toEqual([undefined, other]);
  });

  test('one that never had an answer is asked for again, not each turn', async () => {
    const { addresses, names, asked, shown, turns } = await rig({});
    expect(shown()).toEqual([undefined, undefined]);
    expect(addresses.isOpen).toBe(true);
    const before = asked.length;
    await turns(4, 0);
    expect(asked).toHaveLength(before);
    names['hub'] = [v4];
    await turns(1, 0);
    expect(shown()).toEqual([v4, v4]);
  });
});
