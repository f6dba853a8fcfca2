import { beforeEach, describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { Policies } from '../../access/policies.ts';
import { codeOf } from '../../login/testing/callers.ts';
import type { TunnelDesk } from '../../tunnel/tunnel-desk.ts';
import { type TunnelHandlerParts, tunnelHandlers } from './tunnel-handlers.ts';

const peers = ['secret-1', 'site-1'].map((name) => ({ id: `id of ${name}`, name, rosenpassSha256: null }));
/** What reached the desk. */
let done: string[];
let parts: TunnelHandlerParts;

/** `allow * on tunnels`, `deny * on tunnels/secret-*` */
const isAllowed = (name = '') => !name.startsWith('secret-');
const policies = {
  decide: (_subject: unknown, _verb: string, { name }: { name?: string }) => ({ allowed: isAllowed(name) }),
} as unknown as Policies;

beforeEach(() => {
  done = [];
  const act = (what: string) => async (_caller: unknown, id: string) => {
    done.push(`${what} ${id}`);
    return { ...peers.find((one) => one.id === id), ok: true, peer: peers[1] };
  };
  const tunnel = {
    view: () => ({ peers, relayed: peers }),
    peers: () => peers,
    address: () => ({}),
    row: async (_caller: unknown, ref: string) => {
      const row = peers.find(({ id, name }) => ref === id || ref === name);
      if (row === undefined) throw new FleetError('NOT_FOUND');
      return row;
    },
    add: async (_caller: unknown, { name }: { name: string }) => ({ id: done.push(`add ${name}`), name }),
    ...Object.fromEntries(['peer', 'update', 'remove', 'exchange', 'cut', 'trust'].map((one) => [one, act(one)])),
  } as unknown as TunnelDesk;
  parts = { tunnel, policies };
});

/** One call, as the dispatcher hands it over. */
async function call(name: keyof ReturnType<typeof tunnelHandlers>, id = '', body: Record<string, unknown> = {}) {
  const may = (_verb: string, target: { name?: string }) => {
    if (!isAllowed(target.name)) throw new FleetError('PERMISSION_DENIED');
  };
  const handler = tunnelHandlers(parts)[name] as unknown as (
    asked: unknown,
  ) => Promise<{ items: unknown; peers: unknown }>;
  const query = { limit: 100 };
  return handler({ may, params: { id }, body, query, caller: {}, subject: {}, note: () => undefined });
}

describe('RB-5 a deny on the name of a peer', () => {
  test('takes it out of the list and out of the view of the hub', async () => {
    expect((await call('list-tunnel-peers')).items).toEqual([peers[1]]);
    expect(await call('get-tunnel')).toMatchObject({ peers: [peers[1]], relayed: [peers[1]] });
  });

  const acts = ['get', 'update', 'delete', 'exchange', 'cut', 'trust', 'export'] as const;
  test.each(acts)('keeps %s from it, by name and by id, and nothing reaches the tunnel', async (act) => {
    for (const ref of ['secret-1', 'id of secret-1', 'secret-unknown'])
      expect(await codeOf(call(`${act}-tunnel-peer`, ref))).toBe('PERMISSION_DENIED');
    expect(done).toEqual([]);
    expect(await codeOf(call(`${act}-tunnel-peer`, 'unknown'))).toBe('NOT_FOUND');
  });

  test('others are reached by their id', async () => {
    for (const act of ['get', 'update', 'delete', 'exchange', 'cut', 'trust'] as const)
      await call(`${act}-tunnel-peer`, 'site-1');
    expect(done).toEqual(['peer', 'update', 'remove', 'exchange', 'cut', 'trust'].map((one) => `${one} id of site-1`));
  });

  test('keeps such a name from being made', async () => {
    expect(await codeOf(call('create-tunnel-peer', '', { name: 'secret-2' }))).toBe('PERMISSION_DENIED');
    expect(done).toEqual([]);
    await call('create-tunnel-peer', '', { name: 'site-2' });
    expect(done).toEqual(['add site-2']);
  });
});

test('the view of a hub without isolation names what nodes reach on it (I5)', async () => {
  const seen = async (isolation: string) => {
    parts.tunnel.view = () => ({ peers, isolation }) as never;
    return (await call('get-tunnel')) as unknown as Partial<TunnelView>;
  };
  await using open = Bun.serve({ hostname: '0.0.0.0', port: 0, fetch: () => new Response('here') });
  const { exposed } = await seen('none');
  expect(exposed).toContainEqual({ protocol: 'tcp', address: '0.0.0.0', port: open.port ?? 0 });
  expect(await seen('filter')).not.toHaveProperty('exposed');
});
