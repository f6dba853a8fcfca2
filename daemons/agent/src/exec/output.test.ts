import { describe, expect, test } from 'bun:test';
import type { Channel } from '@labmesh/link/channel';
import { channelPair } from '@labmesh/link/testing/channel-pair';
import fc from 'fast-check';
import { TestClient } from '../testing/client.ts';
import { Output } from './output.ts';
import { Tally } from './tally.ts';

const bytes = (size: number, value: number) => new Uint8Array(size).fill(value);

function follower(output: Output): { client: TestClient; agent: Channel; done: Promise<unknown> } {
  const [opener, agent] = channelPair();
  agent.handle({});
  return { client: new TestClient(opener), agent, done: output.follow(agent) };
}

describe('EX-8 the ring', () => {
  test('keeps the last bytes, counts the others, and gives whoever follows all it has', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 60 }), async (sizes) => {
        const output = new Output(10_000);
        let total = 0;
        for (const [index, size] of sizes.entries()) {
          await output.append(1, bytes(size, index % 251));
          total += size;
        }
        output.finish();
        const { client, agent, done } = follower(output);
        expect(await done).toBeUndefined();
        agent.end(1);
        agent.end(2);
        agent.close('ok');
        await client.closed;
        expect(output.dropped + client.out.length).toBe(total);
        const all = Buffer.concat(sizes.map((size, index) => bytes(size, index % 251)));
        expect(client.out.equals(all.subarray(output.dropped))).toBe(true);
        // One piece more than the bound may be needed to fill it.
        expect(client.out.length).toBeLessThanOrEqual(10_000);
      }),
      { numRuns: 40 },
    );
  });

  test('tiny pieces cost what they cost', async () => {
    const output = new Output(10_000);
    for (let i = 0; i < 10_000; i++) await output.append(1, bytes(1, i % 256));
    // Each counts for 256 bytes.
    expect(output.dropped).toBeGreaterThanOrEqual(10_000 - 40);
  });

  test('a follower loses nothing of what comes while it follows, however slow', async () => {
    const output = new Output(1000);
    const { client, agent, done } = follower(output);
    let expected = 0;
    for (let i = 0; i < 200; i++) {
      await output.append(i % 3 === 0 ? 2 : 1, bytes(5000, i));
      expected += 5000;
    }
    output.finish();
    expect(await done).toBeUndefined();
    agent.end(1);
    agent.end(2);
    agent.close('ok');
    await client.closed;
    expect(client.out.length + client.err.length).toBe(expected);
    expect(output.dropped).toBeGreaterThan(0);
  });
});

describe('EX-7 followers hold the command back', () => {
  test('a reader that stopped holds append, until it goes on', async () => {
    const output = new Output();
    const { client } = follower(output);
    let go = () => {};
    client.hold = new Promise((resolve) => (go = resolve));
    let written = 0;
    const writing = (async () => {
      for (; written < 100; written++) await output.append(1, bytes(65_536, 1));
    })();
    await Bun.sleep(100);
    // The windows of both sides, the slack, and one piece.
    expect(written).toBeLessThan(20);
    const before = written;
    await Bun.sleep(50);
    expect(written).toBe(before);
    client.hold = undefined;
    go();
    await writing;
    expect(written).toBe(100);
  });

  test('one that goes away lets go', async () => {
    const output = new Output();
    const { client, done } = follower(output);
    client.hold = new Promise(() => {});
    const writing = (async () => {
      for (let i = 0; i < 50; i++) await output.append(1, bytes(65_536, 1));
    })();
    await Bun.sleep(50);
    client.channel.close('cancelled');
    expect(await done).toMatchObject({ reason: 'cancelled' });
    await writing;
    expect(output.followers).toBe(0);
    expect(output.dropped).toBeGreaterThan(0);
  });

  test('nobody there: append does not wait, and a follower that waits for output leaves with its channel', async () => {
    const output = new Output();
    const { client, done } = follower(output);
    await Bun.sleep(10);
    client.channel.close('cancelled');
    expect(await done).toMatchObject({ reason: 'cancelled' });
    for (let i = 0; i < 50; i++) await output.append(1, bytes(65_536, 1));
    expect(output.dropped).toBe(50 * 65_536 - 1024 * 1024);
  });
});

test('EX-4 sums: bytes and SHA-256 by stream; a stream without bytes has none', () => {
  const tally = new Tally();
  tally.add(1, bytes(2, 97));
  tally.add(1, bytes(1, 98));
  tally.add(2, bytes(1, 99));
  const { bytes: counts, sha256 } = tally.sums();
  expect(counts).toEqual({ in: 0, out: 3, err: 1 });
  expect(sha256?.out).toBe(new Bun.CryptoHasher('sha256').update('aab').digest('hex'));
  expect(sha256).not.toHaveProperty('in');
});
