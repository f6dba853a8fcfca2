/** Our own data plane and wireguard-go on one tunnel, in both roles (spec tunnel.md A7), in network namespaces. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { networkLabMissing } from '../harness/network-lab.ts';
import { type EndKind, freshKey, proxyPort, wireguardGoMissing } from '../harness/tunnel/tunnel-ends.ts';
import { type TunnelPair, TunnelStory } from '../harness/tunnel/tunnel-story.ts';

const missing = networkLabMissing() ?? wireguardGoMissing();

const pairs: [EndKind, EndKind][] = [
  ['native', 'wireguard-go'],
  ['wireguard-go', 'native'],
  ['native', 'native'],
];

describe.skipIf(missing !== undefined).each(pairs)(
  `hub %s, node %s (needs root, ${missing ?? 'all there'})`,
  (hub, node) => {
    let story: TunnelStory;
    let pair: TunnelPair;
    const ask = (lines?: number) => story.ask('h', pair.node.address, proxyPort, lines);

    beforeAll(async () => {
      story = await TunnelStory.open(['h', 'n']);
      pair = await story.pair(hub, node);
      await story.serve('n', '0.0.0.0', proxyPort);
    });
    afterAll(async () => {
      await story[Symbol.asyncDispose]();
    });

    test('a stream goes both ways and is counted alike', async () => {
      expect(await ask(5)).toMatchObject({ answered: 5 });
      await Bun.sleep(300); // the last acknowledgements
      const [atHub, atNode] = [await pair.hub.status(), await pair.node.status()];
      expect(atHub.rxBytes).toBe(atNode.txBytes);
      expect(atNode.rxBytes).toBe(atHub.txBytes);
      expect(Math.abs((atHub.lastHandshakeMs ?? 0) - (atNode.lastHandshakeMs ?? 0))).toBeLessThan(1000);
    });

    test('a new session with a new pre-shared key, under a running stream', async () => {
      const psk = freshKey();
      await Promise.all([pair.hub.setPsk(psk), pair.node.setPsk(psk)]);
      const before = await pair.node.status();
      const asking = ask(40);
      await Bun.sleep(700);
      // The side whose clock we hold grows older: an initiator renews its session after two minutes, a responder asks for
      // one of its own when three are over.
      if (node === 'native') await pair.node.tell({ skipMs: 120_000 });
      else await pair.hub.tell({ skipMs: 180_000 });
      const { answered, gapMs } = await asking;
      expect(answered).toBe(40);
      expect(gapMs).toBeLessThan(500);
      expect((await pair.node.status()).lastHandshakeMs).toBeGreaterThan(before.lastHandshakeMs ?? Infinity);
    });

    test('other keys on both sides: cut at once, healed by the next common key', async () => {
      const native = hub === 'native' ? pair.hub : pair.node;
      const other = hub === 'native' ? pair.node : pair.hub;
      await native.tell({ cut: Buffer.from(freshKey()).toString('hex') });
      expect(await ask()).toMatchObject({ answered: 0 });
      const psk = freshKey();
      const since = Date.now();
      await Promise.all([other.setPsk(psk), native.setPsk(psk)]);
      // wireguard-go notices by itself that its session is dead only when data goes unanswered for 15 s.
      const asking = ask();
      for (let waited = 0; waited < 30; waited += 1) {
        if (((await native.status()).lastHandshakeMs ?? 0) > since - 1000) break;
        await Bun.sleep(500);
      }
      expect(Date.now() - since).toBeLessThan(6_000);
      await asking;
      expect(await ask(3)).toMatchObject({ answered: 3 });
    });
  },
);
