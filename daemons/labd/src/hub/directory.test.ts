import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { Directory } from './directory.ts';

const tester = system('test');
let store: Store;
let here: Directory;
beforeEach(async () => {
  store = await openStore({ url: 'sqlite::memory:', log: silentLogger });
  here = new Directory(store, 'replica-a');
});
afterEach(() => store[Symbol.asyncDispose]());

async function addAgents(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuidv7());
  await store.write(tester, async (tx) => {
    for (const [index, id] of ids.entries()) {
      const server = {
        id: uuidv7(),
        created_at: 1,
        revision: 1,
        hostname: `web-${index}`,
        macs: '[]',
        machine_id: `m${index}`,
        cloud: null,
        environment: null,
        role: null,
        ip: null,
        status: 'active',
        facts: null,
        last_seen_at: null,
        retired_at: null,
      };
      await tx.insertInto('servers').values(server).execute();
      const agent = {
        id,
        created_at: 1,
        server_id: server.id,
        version: '1',
        ring: null,
        pin: null,
        bad_versions: '[]',
      };
      const rest = { key_hash: `k${index}`, bundle: null, approved_at: null, pending_csr: null };
      await tx
        .insertInto('agents')
        .values({ ...agent, ...rest })
        .execute();
    }
  });
  return ids;
}

const sessions = () =>
  store.read(tester, (db) => db.selectFrom('agent_sessions').selectAll().orderBy('connected_at').execute());
const claimOf = (agentId: string, now: number, more = {}) => ({ agentId, instanceId: uuidv7(), now, ...more });

describe('RP-1, HB-10', () => {
  test('agents that arrive together are found together; one that is gone is undefined', async () => {
    const ids = await addAgents(300);
    const found = await Promise.all([...ids, uuidv7()].map((id) => here.known(id)));
    expect(found.slice(0, 300).map((one) => one?.agentId)).toEqual(ids);
    expect(found[7]).toMatchObject({ hostname: 'web-7', status: 'active', version: '1', bundle: null });
    expect(found[300]).toBeUndefined();
  });

  test('each claim raises the epoch, here and on another replica, also twice in one batch', async () => {
    const [id = '', other = ''] = await addAgents(2);
    const there = new Directory(store, 'replica-b');
    expect(await here.claim(claimOf(id, 1))).toBe(1);
    expect(await there.claim(claimOf(id, 2))).toBe(2);
    const claims = [claimOf(id, 3), claimOf(other, 4), claimOf(id, 5)].map((claim) => here.claim(claim));
    expect(await Promise.all(claims)).toEqual([3, 1, 4]);
    expect((await sessions()).map(({ agent_id, epoch, replica_id }) => [agent_id, epoch, replica_id])).toEqual([
      [other, 1, 'replica-a'],
      [id, 4, 'replica-a'],
    ]);
    expect(await there.takenElsewhere([id, other])).toEqual(new Set([id, other]));
    expect(await here.takenElsewhere([id, other])).toEqual(new Set());
  });

  test('what is new about an agent is written with its claim', async () => {
    const [id = ''] = await addAgents(1);
    await here.claim(claimOf(id, 1, { version: '2', bundle: 'digest' }));
    await here.claim(claimOf(id, 2));
    expect(await here.known(id)).toMatchObject({ version: '2', bundle: 'digest' });
  });

  test('a late goodbye removes nothing that a newer epoch holds', async () => {
    const ids = await addAgents(40);
    const epochs = await Promise.all(ids.map((id) => here.claim(claimOf(id, 1))));
    const [kept = ''] = ids;
    await here.claim(claimOf(kept, 2));
    await here.release(ids.map((agentId, index) => ({ agentId, epoch: epochs[index] ?? 0 })));
    expect((await sessions()).map(({ agent_id }) => agent_id)).toEqual([kept]);
    await here.release([]);
  });

  test('last seen and labels of facts', async () => {
    const [id = ''] = await addAgents(1);
    const serverId = (await here.known(id))?.serverId ?? '';
    await here.seen([serverId], 77);
    await here.saveFacts(serverId, { labels: { rack: 'r1', odd: 3 } }, '10.0.0.1');
    const row = await store.read(tester, (db) => db.selectFrom('servers').selectAll().executeTakeFirstOrThrow());
    expect(row).toMatchObject({ last_seen_at: 77, ip: '10.0.0.1' });
    const labels = await store.read(tester, (db) => db.selectFrom('server_labels').selectAll().execute());
    expect(labels).toEqual([{ server_id: serverId, key: 'facts.rack', value: 'r1', source: 'agent' }]);
  });
});
