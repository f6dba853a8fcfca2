import { expect, test } from 'bun:test';
import type { ChannelEnding } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { channelPair } from '@labmesh/link/testing/channel-pair';
import { execOpen, World } from '@labmesh/link/testing/relay-world';
import { settle } from './testing/memory-labd.ts';

/** Fills the window, closes, and is cancelled by the reader while most of it is still on its way. */
async function cross(agent: ChannelEnd, ours: ChannelEnd, turns: number): Promise<ChannelEnding | undefined> {
  ours.handle({});
  agent.handle({});
  void agent.write(1, new Uint8Array(250_000)).catch(() => {});
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

test('the same with labd in between', async () => {
  for (let turns = 0; turns < 40; turns++) {
    const world = new World(1, () => 0);
    const [replica] = world.replicas;
    world.connectAgent(replica!);
    const client = world.connectClient(replica!);
    await settle();
    const ours = ChannelEnd.open(client.near, execOpen);
    await ours.opened;
    expect(await cross(world.agentEnd!, ours, turns)).toBeDefined();
    await settle();
    expect(world.reports).toHaveLength(1);
  }
});
