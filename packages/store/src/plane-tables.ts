/** The tables of the planes beside the fleet: bastions, nodes and their tunnel, the gateway, clusters. */
import type { Flag, Json, Ms, Row } from './table-fields.ts';

export type BastionsTable = Row & {
  name: string;
  url: string | null;
  labels: Json;
  last_seen_at: Ms | null;
  revoked_at: Ms | null;
};
export type MachinesTable = Row & {
  bastion_id: string;
  mac: string;
  hostname: string | null;
  role: string | null;
  state: string;
  details: Json | null;
  updated_at: Ms;
};
/** Sites of the network plane. What a node tells of itself (info, capabilities, status) is hostile input, kept as JSON. */
export type NodesTable = Row & {
  name: string;
  tenant: string;
  /** Of the token it last registered with. */
  token_hash: string | null;
  labels: Json;
  /** `active` or `banned`; whether it is heard is computed from `last_seen_at`, never stored (H6). */
  state: string;
  last_seen_at: Ms | null;
  region: string | null;
  description: string | null;
  version: string | null;
  /** Sizes of `capabilities`, for lists: {models, slugs, endpoints}. */
  info: Json | null;
  capabilities: Json | null;
  status: Json | null;
  mode: string | null;
  /** Base64; unique, as is the fingerprint: a key belongs to one node (K6). */
  wireguard_public_key: string | null;
  /** `sha256:` and 64 hex digits (K2). */
  rosenpass_sha256: string | null;
  registered_at: Ms | null;
};
/** Node tokens (N1). */
export type NodeTokensTable = Row & {
  /** `lmn_` and 10 digits of base 62. */
  prefix: string;
  /** SHA-256 of the whole text, hex. */
  hash: string;
  /** What its node will be called; null: by the token's id. */
  name: string | null;
  /** The one node it is for, from its first use on. */
  node_id: string | null;
  region: string | null;
  /** '' is the operator's default. */
  tenant: string;
  /** Its node may come back with other keys (K6). */
  allow_rekey: Flag;
  expires_at: Ms;
  revoked_at: Ms | null;
  used_at: Ms | null;
  created_by: string;
};
/**
 * Peers that the hub's tunnel should have (H2): nodes, and clients that an operator added (X7). A `hub` is no peer: it holds
 * the address of a replica's hub (H6), and `removed_at` is when it last said so.
 */
export type TunnelPeersTable = Row & {
  kind: 'node' | 'foreign' | 'hub';
  node_id: string | null;
  name: string;
  /** IPv4 without prefix length. Unique, removed ones included: an address rests 24 h before its next use (H5). */
  address: string;
  /** Base64. */
  wireguard_public_key: string;
  /** The same of the key that its node is about to use, and has proven (tunnel K8). */
  next_wireguard_public_key: string | null;
  /** `sha256:` and 64 hex digits (K2); the key itself is a file. */
  rosenpass_sha256: string | null;
  rosenpass_version: 'V02' | 'V03' | null;
  rosenpass_ciphertext: 'pc188' | 'r4-156' | null;
  /** The fingerprint with which its node may come back next, as an operator named it (K6). */
  trusted_sha256: string | null;
  /** Sealed: 32 bytes in base64, mixed into the exchange. */
  preshared_key_enc: string | null;
  endpoint: string | null;
  require_pq: Flag;
  /** The replica whose hub has it (H6). */
  replica_id: string;
  removed_at: Ms | null;
  /** Of a node's proxy on its address, as the node said; null: 8080. */
  proxy_port: number | null;
};
/** Gateway API keys: HMAC of the key under the gateway's pepper. */
export type KeysTable = {
  id: string;
  created_at: Ms;
  name: string;
  hash: string;
  scopes: Json;
  last_used_at: Ms | null;
  revoked_at: Ms | null;
  tenant: string;
  /** What the key may ask of verification, and its usual mode. */
  verification: Json | null;
  /** Most variations that a run of it may have; null = as many as the arena gives everybody. */
  variations: number | null;
};
/** Gateway usage sums, one row a (key, model, endpoint). */
export type KeyUsageTable = {
  key_id: string;
  model: string;
  endpoint: string;
  requests: number;
  errors: number;
  prompt_tokens: number;
  completion_tokens: number;
  updated_at: Ms;
  cached_tokens: number;
  /** Requests whose tokens were estimated. */
  estimated: number;
};
export type ClustersTable = Row & { name: string; api_url: string | null; kubeconfig_enc: string | null; labels: Json };
export type AppReleasesTable = Row & {
  cluster_id: string;
  name: string;
  namespace: string;
  chart: string;
  values: Json;
  manifest: string;
  hash: string;
  number: number;
};
export type AppRunsTable = Row & {
  release_id: string;
  executor: string;
  plan: Json | null;
  result: string | null;
  log: string | null;
};
