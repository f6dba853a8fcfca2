/** Callers, keys and answers for tests. */
import { createCsr } from '@labmesh/pki/csr';
import { generateKey } from '@labmesh/pki/keys';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { Caller } from '../caller.ts';

export const localRoot: Caller = {
  principal: { kind: 'local', id: 'root', name: 'root' },
  sourceIp: '127.0.0.1',
  requestId: 'req_test',
};
export const stranger: Caller = {
  principal: { kind: 'anonymous', id: '', name: 'anonymous' },
  sourceIp: '192.0.2.7',
  requestId: 'req_test',
};
/** The caller that a user is. */
export const asUser = (user: { id: string; name: string }, more: Partial<Caller> = {}): Caller => ({
  ...stranger,
  principal: { kind: 'user', id: user.id, name: user.name },
  ...more,
});

/** A key's request and hash. */
export async function newRequest(): Promise<{ csrPem: string; keyHash: string }> {
  const key = await generateKey();
  return { csrPem: await createCsr(key), keyHash: key.keyHash };
}

/** Every text that the store holds, for looking whether a secret is among them. */
export async function storedText(store: Store): Promise<string> {
  const tables = [
    'users',
    'user_credentials',
    'login_sessions',
    'join_tokens',
    'token_uses',
    'servers',
    'agents',
    'settings',
    'events',
    'certificates',
    'denials',
    'nodes',
    'node_tokens',
    'tunnel_peers',
  ] as const;
  const parts = await Promise.all(
    tables.map((table) => store.read(system('test'), (db) => db.selectFrom(table).selectAll().execute())),
  );
  return JSON.stringify(parts);
}

/** The code of the FleetError that a promise rejects with; 'none' when it does not. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (error instanceof FleetError) return error.code;
    throw error;
  }
}
