import { expect, test } from 'bun:test';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { execOpen, World } from '@labmesh/link/testing/relay-world';
import { finish, settle } from './testing/memory-labd.ts';

test('EX-8 a command that was left by ~d goes on: labd takes its output, and its end is known', async () => {
  const world = new World(1, Math.random);
  const [replica] = world.replicas;
  world.connectAgent(replica!);
  const client = world.connectClient(replica!);
  await settle();
  const ours = ChannelEnd.open(client.near, execOpen);
  await ours.opened;
  ours.handle({});
  let heard = '';
  world.agentEnd!.handle({ close: ({ reason }) => void (heard = reason) });
  // What `~d` says.
  ours.close('ok', 'detach');
  expect(await ours.closed).toEqual({ reason: 'ok', text: 'detach' });
  client.cut();
  await settle();
  expect([heard, world.reports]).toEqual(['', []]);
  // Far more than any window.
  for (let mebibyte = 0; mebibyte < 4; mebibyte++) await world.agentEnd!.write(1, new Uint8Array(1024 * 1024));
  finish(world.agentEnd!, { code: 7 });
  await settle(200);
  expect(world.reports).toMatchObject([{ exit: { code: 7 }, close: { reason: 'ok' } }]);
  expect(world.faults).toEqual([]);
});
