import { expect, test } from 'bun:test';
import type { ChannelEnding } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { channelPair } from '@labmesh/link/testing/channel-pair';
import { ChannelRelay, type RelayReport } from '@labmesh/link/channel-relay';
import { linkPair } from '@labmesh/link/testing/link-pair';
import { session } from '@labmesh/link/testing/relay-world';
import { openExecSchema } from '@labmesh/wire/frame/open';
import { settle } from './testing/memory-labd.ts';

/** Fills the window, closes, and is cancelled by the reader while most of it is still on its way. */
async function cross(
  agent: ChannelEnd,
  ours: ChannelEnd,
  turns: number,
  bytes = 250_000,
): Promise<ChannelEnding | undefined> {
  ours.handle({});
  agent.handle({});
  void agent.write(1, new Uint8Array(bytes)).catch(() => {});
  agent.end(1);
  agent.end(2);
  agent.close('ok');
  await settle(turns);
  ours.close('cancelled');
  return Promise.race([ours.closed, settle(400).then(() => undefined)]);
}

test('both close at once: whoever cancels hears the other one, whatever is still on its way', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const [ours, agent] = channelPair();
    expect(await cross(agent, ours, turns)).toBeDefined();
    expect(await agent.closed).toBeDefined();
  }
});

test('the same with labd in between, where the first end stands behind bytes', async () => {
  let agent: ChannelEnd | undefined;
  let relay: ChannelRelay | undefined;
  const reports: RelayReport[] = [];
  const toAgent = linkPair(
    {},
    {
      first: (_link, raw, first) => {
        if (first.type === 'open') agent = ChannelEnd.accept(raw, first.open, { session });
      },
    },
  );
  const toClient = linkPair({
    first: (_link, raw, first) => {
      relay = new ChannelRelay({
        session,
        reach: (one) => toAgent.labd.open(one),
        ended: (report) => void reports.push(report),
      });
      if (first.type === 'open') relay.start(raw, first.open);
    },
  });
  await settle();
  // A window that no socket takes at once.
  const wide = openExecSchema.parse({ kind: 'exec', server: 'x', window: 4 * 1024 * 1024 });
  const ours = ChannelEnd.open(toClient.other, wide);
  await ours.opened;
  const [fromLabd] = toClient.sockets;
  fromLabd.flows = false;
  const crossing = cross(agent!, ours, 200, 4_000_000);
  await settle(250);
  fromLabd.flows = true;
  expect(await crossing).toBeDefined();
  expect(reports).toHaveLength(1);
  expect(relay?.isOver).toBe(true);
});
