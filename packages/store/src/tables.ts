/**
 * The tables (ST-2): uuid v7 text keys, times as Unix ms in BIGINT, booleans 0 or 1, JSON as TEXT, bytes as BLOB/BYTEA.
 * Column names are snake_case here and nowhere else: the code that reads a row gives it its wire form.
 */

import type { Generated } from 'kysely';
import type {
  ArenaBatchesTable,
  ArenaBattlesTable,
  ArenaCandidatesTable,
  ArenaCertificatesTable,
  ArenaDatasetRowsTable,
  ArenaDatasetsTable,
  ArenaEnginesTable,
  ArenaJudgesTable,
  ArenaLabelsTable,
  ArenaMatchesTable,
  ArenaRunsTable,
  ArenaStyledBattlesTable,
  ArenaSuitesTable,
  ArenaTripletsTable,
  ArenaVerdictsTable,
} from './arena-tables.ts';
import type {
  AppReleasesTable,
  AppRunsTable,
  BastionsTable,
  ClustersTable,
  KeyUsageTable,
  KeysTable,
  MachinesTable,
  NodeTokensTable,
  NodesTable,
  TunnelPeersTable,
} from './plane-tables.ts';
import type { Flag, Json, Ms, Row } from './table-fields.ts';

export type ServersTable = Row & {
  hostname: string;
  /** JSON list of lower-case MACs. */
  macs: Json;
  machine_id: string | null;
  cloud: string | null;
  environment: string | null;
  role: string | null;
  ip: string | null;
  /** `active`, `waiting-approval`, `banned`, `conflict`, `retired`; online is computed, never stored (HB-9). */
  status: string;
  facts: Json | null;
  last_seen_at: Ms | null;
  retired_at: Ms | null;
};
/** source: `admin`, `token` or `agent` (keys `facts.*`). Key and server are the primary key. */
export type ServerLabelsTable = { server_id: string; key: string; value: string; source: string };

export type AgentsTable = Row & {
  server_id: string;
  version: string | null;
  ring: string | null;
  pin: string | null;
  /** JSON list. */
  bad_versions: Json;
  /** SHA-256 (hex) of the SubjectPublicKeyInfo last issued. */
  key_hash: string;
  /** Digest of the CA bundle that the agent reported. */
  bundle: string | null;
  approved_at: Ms | null;
  /** A CSR that waits for an operator (CA-7, JT-7), PEM. */
  pending_csr: string | null;
  /** The version it should run (AG-8), and how: sessions end for it, an older version is meant. */
  desired_version: string | null;
  desired_now: Generated<Flag>;
  desired_downgrade: Generated<Flag>;
  /** What it ran when another version was last wished for: the way back. */
  previous_version: string | null;
  /** As the agent tells it: `off`, `idle`, `fetching`, `waiting`, `trial`. */
  update_state: string | null;
};
/** The directory (RP-1): at most one row per agent. */
export type AgentSessionsTable = {
  agent_id: string;
  replica_id: string;
  instance_id: string;
  epoch: number;
  connected_at: Ms;
};

export type UsersTable = Row & { name: string; kind: string; email: string | null; disabled_at: Ms | null };
/** type: `password`, `totp`, `enrol-token`. `secret` is a hash or a sealed value, by type. */
export type UserCredentialsTable = Row & {
  user_id: string;
  type: string;
  secret: string;
  expires_at: Ms | null;
  used_at: Ms | null;
  /** Last accepted TOTP step. */
  counter: number | null;
};
export type LoginSessionsTable = Row & {
  user_id: string;
  /** SHA-256 of the whole `lms_…` text, hex. */
  hash: string;
  prefix: string;
  /** JSON list of groups that OIDC told. */
  groups: Json;
  expires_at: Ms;
  last_used_at: Ms;
  revoked_at: Ms | null;
};

export type RolesTable = Row & { name: string; description: string | null; built_in: Flag };
/** One rule of a role. `text` is the rule as written (RB-1); the parts are stored parsed beside it. */
export type PermissionsTable = Row & {
  role_id: string;
  effect: string;
  /** JSON lists. */
  verbs: Json;
  kinds: Json;
  name_glob: string | null;
  selector: string | null;
  limits: string | null;
  text: string;
};
/** subject_kind: user, group, service. */
export type UserRolesTable = Row & {
  subject_kind: string;
  subject: string;
  role_id: string;
  expires_at: Ms | null;
};

export type JoinTokensTable = Row & {
  type: string;
  kind: string;
  /** SHA-256 of the whole `lmj_…` text, hex. */
  hash: string;
  prefix: string;
  /** JSON: labels, environment, cloud, role, hostname, macs, cidrs, takeover, approve. */
  scope: Json;
  max_uses: number;
  uses: number;
  expires_at: Ms;
  revoked_at: Ms | null;
  used_at: Ms | null;
  created_by: string;
};
/** Makes enrolment idempotent (JT-5). Unique (token_id, key_hash). */
export type TokenUsesTable = {
  id: string;
  created_at: Ms;
  token_id: string;
  key_hash: string;
  server_id: string;
  serial: string;
};

export type CertificatesTable = {
  /** Serial, lower-case hex, 32 digits. */
  id: string;
  created_at: Ms;
  /** `spiffe://…` */
  identity: string;
  kind: string;
  subject_id: string;
  name: string;
  key_hash: string;
  issuer_key: string;
  not_before: Ms;
  not_after: Ms;
  /** Principal text. */
  issued_by: string;
  revoked_at: Ms | null;
  pem: string;
};
/** role: root, intermediate, cross. phase: active, next, previous, destroyed. `sealed_key` is null once destroyed, or offline. */
export type CaKeysTable = {
  id: string;
  created_at: Ms;
  role: string;
  phase: string;
  sealed_key: string | null;
  pem: string;
  not_after: Ms;
  key_hash: string;
};
/** kind: serial, identity, key, machine. Unique (kind, value). `version` rises with each change of the list. */
export type DenialsTable = {
  id: string;
  created_at: Ms;
  kind: string;
  value: string;
  version: number;
  reason: string;
  /** Lifted by unban; the row stays so that other replicas see the change. */
  lifted_at: Ms | null;
};

/** AU-1. Unique (chain, seq). */
export type AuditLogTable = {
  id: string;
  chain: string;
  seq: number;
  key_id: string;
  at: Ms;
  phase: string;
  principal_kind: string;
  principal_id: string;
  principal: string;
  session: string | null;
  source_ip: string | null;
  request_id: string | null;
  action: string;
  resource: string | null;
  resource_id: string | null;
  result: string;
  code: string | null;
  duration_ms: number | null;
  details: Json | null;
  prev_hash: string;
  hash: string;
};
/** body: the signed JSON; heads and, after pruning, the stub (AU-5). */
export type AuditCheckpointsTable = { id: string; created_at: Ms; replica_id: string; body: Json; signature: string };
export type AuditCursorsTable = { sink: string; chain: string; seq: number; updated_at: Ms };

/** Exec and its kin (EX-7…EX-11). state: open, detached, ended, lost. */
export type SessionsTable = Row & {
  kind: string;
  server_id: string;
  agent_id: string;
  principal_kind: string;
  principal_id: string;
  principal: string;
  job: string | null;
  command: string | null;
  /** The OPEN as it was decided, without the values of its environment: a RESUME is judged by it. */
  open: Json;
  tty: Flag;
  state: string;
  /** SHA-256 of the resume token, hex; bound to the principal. */
  token_hash: string;
  started_at: Ms;
  ended_at: Ms | null;
  /** JSON of EXIT. */
  exit: Json | null;
  close_code: number | null;
  recording_id: string | null;
};
/** Parts of a recording (EX-9): one row a replica and session. */
export type RecordingsTable = {
  id: string;
  created_at: Ms;
  session_id: string;
  replica_id: string;
  part: number;
  url: string;
  bytes: number;
  sha256: string | null;
  sealed_key: string;
  ended_at: Ms | null;
};

/** KEK states (SE-3). state: staged, active, retiring, retired. */
export type SecretKeysTable = {
  id: string;
  created_at: Ms;
  state: string;
  check_value: string;
  salt: string | null;
  updated_at: Ms;
};
/** Small values: deny and access version, audit keys (sealed), seeds. */
export type SettingsTable = { key: string; value: string; updated_at: Ms };
export type ReplicasTable = {
  id: string;
  created_at: Ms;
  peer_url: string | null;
  agent_url: string | null;
  version: string;
  started_at: Ms;
  seen_at: Ms;
  /** Largest KEK state it has loaded, JSON list of key ids. */
  keks: Json;
};
export type LeasesTable = { name: string; owner: string; expires_at: Ms };
/** `Idempotency-Key` of creates, 24 h (AP-3). */
export type IdempotencyTable = {
  key: string;
  principal: string;
  operation: string;
  status: number;
  body: Json;
  created_at: Ms;
};
export type EventsTable = {
  id: string;
  created_at: Ms;
  type: string;
  resource: string;
  resource_id: string;
  details: Json;
};

/** Migrations that were applied (ST-4). `release`: which generation of the schema it belongs to. */
export type MigrationsTable = { id: number; release: number; applied_at: Ms };
/** One row, `schema`: who migrates, for how long. */
export type MigrationLockTable = LeasesTable;

export type Tables = {
  servers: ServersTable;
  server_labels: ServerLabelsTable;
  agents: AgentsTable;
  agent_sessions: AgentSessionsTable;
  users: UsersTable;
  user_credentials: UserCredentialsTable;
  login_sessions: LoginSessionsTable;
  roles: RolesTable;
  permissions: PermissionsTable;
  user_roles: UserRolesTable;
  join_tokens: JoinTokensTable;
  token_uses: TokenUsesTable;
  certificates: CertificatesTable;
  ca_keys: CaKeysTable;
  denials: DenialsTable;
  audit_log: AuditLogTable;
  audit_checkpoints: AuditCheckpointsTable;
  audit_cursors: AuditCursorsTable;
  sessions: SessionsTable;
  recordings: RecordingsTable;
  secret_keys: SecretKeysTable;
  settings: SettingsTable;
  replicas: ReplicasTable;
  leases: LeasesTable;
  idempotency: IdempotencyTable;
  events: EventsTable;
  bastions: BastionsTable;
  machines: MachinesTable;
  nodes: NodesTable;
  node_tokens: NodeTokensTable;
  tunnel_peers: TunnelPeersTable;
  keys: KeysTable;
  key_usage: KeyUsageTable;
  clusters: ClustersTable;
  app_releases: AppReleasesTable;
  app_runs: AppRunsTable;
  arena_runs: ArenaRunsTable;
  arena_candidates: ArenaCandidatesTable;
  arena_verdicts: ArenaVerdictsTable;
  arena_matches: ArenaMatchesTable;
  arena_suites: ArenaSuitesTable;
  arena_certificates: ArenaCertificatesTable;
  arena_battles: ArenaBattlesTable;
  arena_styled_battles: ArenaStyledBattlesTable;
  arena_engines: ArenaEnginesTable;
  arena_triplets: ArenaTripletsTable;
  arena_datasets: ArenaDatasetsTable;
  arena_dataset_rows: ArenaDatasetRowsTable;
  arena_batches: ArenaBatchesTable;
  arena_labels: ArenaLabelsTable;
  arena_judges: ArenaJudgesTable;
  migrations: MigrationsTable;
  migration_lock: MigrationLockTable;
};
