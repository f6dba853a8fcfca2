/** The row of a node at its registration. */
import type { Writer } from '@labmesh/store/store';
import { provisionalNodeId } from '@labmesh/wire/ids';
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import type { NodeKeys } from './node-keys.ts';
import { keptInfo } from './node-report.ts';
import type { NodeRow } from './node-rows.ts';
import type { NodeTokenRow } from './tokens/node-token-rows.ts';

/** A name for a new node: the operator's, else the one it goes by already (N6). */
async function freeName(tx: Writer, token: NodeTokenRow, text: string, nodeId: string): Promise<string> {
  for (const name of [token.name, provisionalNodeId(text)]) {
    if (name === null) continue;
    const taken = await tx.selectFrom('nodes').select('id').where('name', '=', name).executeTakeFirst();
    if (taken === undefined) return name;
  }
  return `node-${nodeId}`;
}

type NewNode = {
  request: NodeRegisterRequest;
  token: NodeTokenRow;
  keys: NodeKeys;
  nodeId: string;
  old: NodeRow | undefined;
};

/** Makes the node's row, or brings it up to date. What its token says counts for more than what it says itself. */
export async function writeNode(
  tx: Writer,
  { request, token, keys, nodeId, old }: NewNode,
  now: number,
): Promise<NodeRow> {
  const told = keptInfo(request.node_info);
  const columns = {
    ...told,
    region: token.region ?? told.region,
    tenant: token.tenant,
    token_hash: token.hash,
    wireguard_public_key: keys.wireguard,
    rosenpass_sha256: keys.rosenpass,
    last_seen_at: now,
    registered_at: now,
  };
  if (old !== undefined) {
    const row = { ...old, ...columns, revision: old.revision + 1 };
    await tx.updateTable('nodes').set(row).where('id', '=', nodeId).execute();
    return row;
  }
  const row: NodeRow = {
    id: nodeId,
    created_at: now,
    revision: 1,
    name: await freeName(tx, token, request.token, nodeId),
    labels: '{}',
    state: 'active',
    status: null,
    mode: null,
    ...columns,
  };
  await tx.insertInto('nodes').values(row).execute();
  return row;
}
