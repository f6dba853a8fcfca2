/** AG-7 as labd puts it together: labels from the store, numbers for /metrics. */
import { expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { Metrics } from '@labmesh/kit/metrics';
import { openStore } from '@labmesh/store/open-store';
import type { LogAck } from '@labmesh/wire/frame/log-batch';
import { uuidv7 } from '@labmesh/wire/ids';
import { ServerLabels } from '../hub/shipping/server-labels.ts';
import { composeShipping } from './compose-shipping.ts';

const world = { clock: systemClock, log: silentLogger };

test('a batch goes out with the labels of its server, and is counted', async () => {
  await using store = await openStore({ url: 'sqlite::memory:', log: silentLogger });
  const bodies: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      bodies.push(`${request.headers.get('x-org')} ${await request.text()}`);
      return Response.json({});
    },
  });
  const metrics = new Metrics('labmesh_labd_');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => server.stop(true));
  const collector = { url: `http://127.0.0.1:${server.port}/v1/logs`, headers: { 'x-org': 'lab' } };
  const desk = composeShipping({ ...world, store, metrics, collector }, stack);
  const acked = Promise.withResolvers<LogAck>();
  const link = { sendMsg: (ack: LogAck) => (acked.resolve(ack), true) };
  const agent = { agentId: 'a', serverId: uuidv7(), hostname: 'web-1', version: '1', link };
  desk.take(agent, { kind: 'log-batch', id: uuidv7(), lines: [{ at: null, text: 'hello' }] });
  expect((await acked.promise).status).toBe('done');
  desk.heard('a', { spooledBytes: 5, shippedLines: 1, droppedLines: 2 });
  expect(bodies[0]).toStartWith('lab {"resourceLogs":');
  const page = metrics.render();
  for (const line of [
    'log_lines_total 1',
    'log_posts_total 1',
    'log_collector_up 1',
    'log_queue_bytes 0',
    'log_agent_spooled_bytes 5',
    'log_agent_dropped_lines 2',
    'log_unreadable_batches_total 0',
  ])
    expect(page).toContain(`labmesh_labd_${line}\n`);
  expect(page).not.toContain('web-1');
});

test('without a collector there is nothing to be up', async () => {
  await using store = await openStore({ url: 'sqlite::memory:', log: silentLogger });
  const metrics = new Metrics();
  await using stack = new AsyncDisposableStack();
  const desk = composeShipping({ ...world, store, metrics, collector: undefined }, stack);
  expect([desk.isOn, metrics.render().includes('log_collector_up 0\n')]).toEqual([false, true]);
});

test('labels are asked for once a minute; a store that is away, or never answers, costs the labels alone', async () => {
  let reads = 0;
  const stores = (answer: () => Promise<unknown>) =>
    new ServerLabels({ read: () => (reads++, answer()) } as never, {
      ...systemClock,
      sleep: (_ms, signal) => systemClock.sleep(20, signal),
    });
  const labels = stores(async () => [{ key: 'env', value: 'prod' }]);
  expect([await labels.of('s1'), await labels.of('s1'), reads]).toEqual([{ env: 'prod' }, { env: 'prod' }, 1]);
  expect(await stores(() => Promise.reject(new Error('away'))).of('s1')).toEqual({});
  expect(await stores(() => new Promise(() => {})).of('s1')).toEqual({});
});
