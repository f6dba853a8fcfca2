import { expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { ServerLabels } from './server-labels.ts';

test('labels that somebody gave a server go out with its lines, those that its agent reports do not', async () => {
  await using store = await openStore({ url: 'sqlite::memory:', log: silentLogger });
  const id = uuidv7();
  await store.write(system('test'), async (tx) => {
    await tx
      .insertInto('servers')
      .values({ id, created_at: 1, hostname: 'web-1', macs: '[]', status: 'active' })
      .execute();
    const labels = [
      { server_id: id, key: 'env', value: 'prod', source: 'admin' },
      { server_id: id, key: 'rack', value: '7', source: 'token' },
      { server_id: id, key: 'facts.kernel', value: 'x'.repeat(200), source: 'agent' },
    ];
    await tx.insertInto('server_labels').values(labels).execute();
  });
  expect(await new ServerLabels(store, systemClock).of(id)).toEqual({ env: 'prod', rack: '7' });
});
