/**
 * The tables of the first release (spec 2.17), one statement each and portable: SQLite, PostgreSQL and CockroachDB take
 * the same text. Frozen: what is applied somewhere never changes, later releases add their own list.
 *
 * A foreign key stands only where the child means nothing without its parent; history (sessions, certificates, audit)
 * outlives what it tells of.
 */
const id = 'id text not null primary key, created_at bigint not null';
const row = `${id}, revision bigint not null default 1`;

const table = (name: string, columns: string) => `create table if not exists ${name} (${columns})`;
const index = (on: string, columns: string) =>
  `create index if not exists ${on}_by_${columns.replaceAll(', ', '_')} on ${on} (${columns})`;

const machines: readonly string[] = [
  table(
    'servers',
    `${row}, hostname text not null unique, macs text not null, machine_id text unique, cloud text, environment text,
     role text, ip text, status text not null, facts text, last_seen_at bigint, retired_at bigint`,
  ),
  table(
    'server_labels',
    `server_id text not null references servers (id) on delete cascade, key text not null, value text not null,
     source text not null, primary key (server_id, key)`,
  ),
  index('server_labels', 'key, value'),
  table(
    'agents',
    `${row}, server_id text not null unique, version text, ring text, pin text, bad_versions text not null,
     key_hash text not null, bundle text, approved_at bigint, pending_csr text, desired_version text,
     desired_now bigint not null default 0, desired_downgrade bigint not null default 0, previous_version text,
     update_state text`,
  ),
  index('agents', 'key_hash'),
  table(
    'agent_sessions',
    `agent_id text not null primary key, replica_id text not null, instance_id text not null, epoch bigint not null,
     connected_at bigint not null`,
  ),
  index('agent_sessions', 'replica_id'),
];

const access: readonly string[] = [
  table('users', `${row}, name text not null unique, kind text not null, email text, disabled_at bigint`),
  table(
    'user_credentials',
    `${row}, user_id text not null references users (id) on delete cascade, type text not null, secret text not null,
     expires_at bigint, used_at bigint, counter bigint`,
  ),
  index('user_credentials', 'user_id'),
  table(
    'login_sessions',
    `${row}, user_id text not null, hash text not null unique, prefix text not null, "groups" text not null,
     expires_at bigint not null, last_used_at bigint not null, revoked_at bigint`,
  ),
  index('login_sessions', 'user_id'),
  table('roles', `${row}, name text not null unique, description text, built_in bigint not null`),
  table(
    'permissions',
    `${row}, role_id text not null references roles (id) on delete cascade, effect text not null, verbs text not null,
     kinds text not null, name_glob text, selector text, limits text, text text not null`,
  ),
  index('permissions', 'role_id'),
  table(
    'user_roles',
    `${row}, subject_kind text not null, subject text not null, role_id text not null, expires_at bigint`,
  ),
  index('user_roles', 'subject_kind, subject'),
  index('user_roles', 'role_id'),
  table(
    'join_tokens',
    `${row}, type text not null, kind text not null, hash text not null unique, prefix text not null,
     scope text not null, max_uses bigint not null, uses bigint not null, expires_at bigint not null,
     revoked_at bigint, used_at bigint, created_by text not null`,
  ),
  table(
    'token_uses',
    `${id}, token_id text not null, key_hash text not null, server_id text not null, serial text not null,
     unique (token_id, key_hash)`,
  ),
];

const authority: readonly string[] = [
  table(
    'certificates',
    `${id}, identity text not null, kind text not null, subject_id text not null, name text not null,
     key_hash text not null, issuer_key text not null, not_before bigint not null, not_after bigint not null,
     issued_by text not null, revoked_at bigint, pem text not null`,
  ),
  index('certificates', 'subject_id'),
  index('certificates', 'key_hash'),
  index('certificates', 'not_after'),
  table(
    'ca_keys',
    `${id}, role text not null, phase text not null, sealed_key text, pem text not null, not_after bigint not null,
     key_hash text not null`,
  ),
  table(
    'denials',
    `${id}, kind text not null, value text not null, version bigint not null, reason text not null,
     lifted_at bigint, unique (kind, value)`,
  ),
  index('denials', 'version'),
  table('secret_keys', `${id}, state text not null, check_value text not null, salt text, updated_at bigint not null`),
];

const history: readonly string[] = [
  table(
    'audit_log',
    `id text not null primary key, chain text not null, seq bigint not null, key_id text not null, at bigint not null,
     phase text not null, principal_kind text not null, principal_id text not null, principal text not null,
     session text, source_ip text, request_id text, action text not null, resource text, resource_id text,
     result text not null, code text, duration_ms bigint, details text, prev_hash text not null, hash text not null,
     unique (chain, seq)`,
  ),
  index('audit_log', 'at, id'),
  table('audit_checkpoints', `${id}, replica_id text not null, body text not null, signature text not null`),
  index('audit_checkpoints', 'created_at'),
  table(
    'audit_cursors',
    `sink text not null, chain text not null, seq bigint not null, updated_at bigint not null,
     primary key (sink, chain)`,
  ),
  table(
    'sessions',
    `${row}, kind text not null, server_id text not null, agent_id text not null, principal_kind text not null,
     principal_id text not null, principal text not null, job text, command text, open text not null,
     tty bigint not null,
     state text not null, token_hash text not null, started_at bigint not null, ended_at bigint, exit text,
     close_code bigint, recording_id text`,
  ),
  index('sessions', 'token_hash'),
  index('sessions', 'started_at, id'),
  index('sessions', 'server_id, started_at'),
  index('sessions', 'job'),
  index('sessions', 'state'),
  table(
    'recordings',
    `${id}, session_id text not null, replica_id text not null, part bigint not null, url text not null,
     bytes bigint not null, sha256 text, sealed_key text not null, ended_at bigint, unique (session_id, part)`,
  ),
  index('recordings', 'created_at'),
  table(
    'events',
    `${id}, type text not null, resource text not null, resource_id text not null, details text not null`,
  ),
  index('events', 'created_at'),
];

const replicas: readonly string[] = [
  table('settings', 'key text not null primary key, value text not null, updated_at bigint not null'),
  table(
    'replicas',
    `${id}, peer_url text, agent_url text, version text not null, started_at bigint not null, seen_at bigint not null,
     keks text not null`,
  ),
  table('leases', 'name text not null primary key, owner text not null, expires_at bigint not null'),
  table(
    'idempotency',
    `key text not null, principal text not null, operation text not null, status bigint not null, body text not null,
     created_at bigint not null, primary key (key, principal, operation)`,
  ),
  index('idempotency', 'created_at'),
];

const planes: readonly string[] = [
  table(
    'bastions',
    `${row}, name text not null unique, url text, labels text not null, last_seen_at bigint, revoked_at bigint`,
  ),
  table(
    'machines',
    `${row}, bastion_id text not null, mac text not null, hostname text, role text, state text not null, details text,
     updated_at bigint not null, unique (bastion_id, mac)`,
  ),
  index('machines', 'mac'),
  table(
    'nodes',
    `${row}, name text not null unique, tenant text not null, token_hash text, labels text not null,
     state text not null, last_seen_at bigint`,
  ),
  table(
    'keys',
    `${id}, name text not null, hash text not null unique, scopes text not null, last_used_at bigint,
     revoked_at bigint`,
  ),
  table(
    'key_usage',
    `key_id text not null, model text not null, endpoint text not null, requests bigint not null,
     errors bigint not null, prompt_tokens bigint not null, completion_tokens bigint not null,
     updated_at bigint not null, primary key (key_id, model, endpoint)`,
  ),
  table('clusters', `${row}, name text not null unique, api_url text, kubeconfig_enc text, labels text not null`),
  table(
    'app_releases',
    `${row}, cluster_id text not null, name text not null, namespace text not null, chart text not null,
     "values" text not null, manifest text not null, hash text not null, number bigint not null,
     unique (cluster_id, namespace, name, number)`,
  ),
  table('app_runs', `${row}, release_id text not null, executor text not null, plan text, result text, log text`),
  index('app_runs', 'release_id'),
];

export const release1: readonly string[] = [...machines, ...access, ...authority, ...history, ...replicas, ...planes];
