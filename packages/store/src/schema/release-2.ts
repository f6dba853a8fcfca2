/** The second release: nodes with their tokens, and the peers of the tunnel. Portable and frozen like the first. */
const row = 'id text not null primary key, created_at bigint not null, revision bigint not null default 1';

const ofNodes: readonly string[] = [
  'region text',
  'description text',
  'version text',
  'info text',
  'capabilities text',
  'status text',
  'mode text',
  'wireguard_public_key text',
  'rosenpass_sha256 text',
  'registered_at bigint',
];

const nodes: readonly string[] = [
  ...ofNodes.map((column) => `alter table nodes add column ${column}`),
  'create unique index if not exists nodes_by_wireguard_public_key on nodes (wireguard_public_key)',
  'create unique index if not exists nodes_by_rosenpass_sha256 on nodes (rosenpass_sha256)',
  `create table if not exists node_tokens (${row}, prefix text not null, hash text not null unique, name text,
   node_id text, region text, tenant text not null, allow_rekey bigint not null, expires_at bigint not null,
   revoked_at bigint, used_at bigint, created_by text not null)`,
  'create index if not exists node_tokens_by_node_id on node_tokens (node_id)',
];

const tunnel: readonly string[] = [
  `create table if not exists tunnel_peers (${row}, kind text not null, node_id text, name text not null,
   address text not null unique, wireguard_public_key text not null unique, rosenpass_sha256 text,
   rosenpass_version text, rosenpass_ciphertext text, trusted_sha256 text, preshared_key_enc text, endpoint text,
   require_pq bigint not null, replica_id text not null, removed_at bigint)`,
  'create index if not exists tunnel_peers_by_node_id on tunnel_peers (node_id)',
  'create index if not exists tunnel_peers_by_replica_id on tunnel_peers (replica_id)',
];

export const release2: readonly string[] = [...nodes, ...tunnel];
