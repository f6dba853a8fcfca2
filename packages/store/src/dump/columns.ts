/**
 * What the tables hold, known at run time: a dump is checked against it before a row goes in. The types tie it to
 * `Tables`, a test to the schema that the migrations make. Parents stand before their children, as a load needs it.
 */
import type { Tables } from '../tables.ts';

/** `?`: may be null. Integers are safe ones. */
export type ColumnType = 'text' | 'text?' | 'integer' | 'integer?';

type Unwrapped<C> = C extends { readonly __select__: infer S } ? S : C;
type TypeOf<C> = null extends C
  ? NonNullable<C> extends string
    ? 'text?'
    : 'integer?'
  : C extends string
    ? 'text'
    : 'integer';

/** Tables of the schema itself. */
type Bookkeeping = 'migrations' | 'migration_lock';
export type DataTable = Exclude<keyof Tables, Bookkeeping>;
type Columns = { readonly [T in DataTable]: { readonly [C in keyof Tables[T]]: TypeOf<Unwrapped<Tables[T][C]>> } };

const id = { id: 'text', created_at: 'integer' } as const;
const row = { ...id, revision: 'integer' } as const;

export const columns: Columns = {
  servers: {
    ...row,
    hostname: 'text',
    macs: 'text',
    machine_id: 'text?',
    cloud: 'text?',
    environment: 'text?',
    role: 'text?',
    ip: 'text?',
    status: 'text',
    facts: 'text?',
    last_seen_at: 'integer?',
    retired_at: 'integer?',
  },
  server_labels: { server_id: 'text', key: 'text', value: 'text', source: 'text' },
  agents: {
    ...row,
    server_id: 'text',
    version: 'text?',
    ring: 'text?',
    pin: 'text?',
    bad_versions: 'text',
    key_hash: 'text',
    bundle: 'text?',
    approved_at: 'integer?',
    pending_csr: 'text?',
  },
  agent_sessions: {
    agent_id: 'text',
    replica_id: 'text',
    instance_id: 'text',
    epoch: 'integer',
    connected_at: 'integer',
  },
  users: { ...row, name: 'text', kind: 'text', email: 'text?', disabled_at: 'integer?' },
  user_credentials: {
    ...row,
    user_id: 'text',
    type: 'text',
    secret: 'text',
    expires_at: 'integer?',
    used_at: 'integer?',
    counter: 'integer?',
  },
  login_sessions: {
    ...row,
    user_id: 'text',
    hash: 'text',
    prefix: 'text',
    groups: 'text',
    expires_at: 'integer',
    last_used_at: 'integer',
    revoked_at: 'integer?',
  },
  roles: { ...row, name: 'text', description: 'text?', built_in: 'integer' },
  permissions: {
    ...row,
    role_id: 'text',
    effect: 'text',
    verbs: 'text',
    kinds: 'text',
    name_glob: 'text?',
    selector: 'text?',
    limits: 'text?',
    text: 'text',
  },
  user_roles: { ...row, subject_kind: 'text', subject: 'text', role_id: 'text', expires_at: 'integer?' },
  join_tokens: {
    ...row,
    type: 'text',
    kind: 'text',
    hash: 'text',
    prefix: 'text',
    scope: 'text',
    max_uses: 'integer',
    uses: 'integer',
    expires_at: 'integer',
    revoked_at: 'integer?',
    used_at: 'integer?',
    created_by: 'text',
  },
  token_uses: { ...id, token_id: 'text', key_hash: 'text', server_id: 'text', serial: 'text' },
  certificates: {
    ...id,
    identity: 'text',
    kind: 'text',
    subject_id: 'text',
    name: 'text',
    key_hash: 'text',
    issuer_key: 'text',
    not_before: 'integer',
    not_after: 'integer',
    issued_by: 'text',
    revoked_at: 'integer?',
    pem: 'text',
  },
  ca_keys: {
    ...id,
    role: 'text',
    phase: 'text',
    sealed_key: 'text?',
    pem: 'text',
    not_after: 'integer',
    key_hash: 'text',
  },
  denials: { ...id, kind: 'text', value: 'text', version: 'integer', reason: 'text', lifted_at: 'integer?' },
  audit_log: {
    id: 'text',
    chain: 'text',
    seq: 'integer',
    key_id: 'text',
    at: 'integer',
    phase: 'text',
    principal_kind: 'text',
    principal_id: 'text',
    principal: 'text',
    session: 'text?',
    source_ip: 'text?',
    request_id: 'text?',
    action: 'text',
    resource: 'text?',
    resource_id: 'text?',
    result: 'text',
    code: 'text?',
    duration_ms: 'integer?',
    details: 'text?',
    prev_hash: 'text',
    hash: 'text',
  },
  audit_checkpoints: { ...id, replica_id: 'text', body: 'text', signature: 'text' },
  audit_cursors: { sink: 'text', chain: 'text', seq: 'integer', updated_at: 'integer' },
  sessions: {
    ...row,
    kind: 'text',
    server_id: 'text',
    agent_id: 'text',
    principal_kind: 'text',
    principal_id: 'text',
    principal: 'text',
    job: 'text?',
    command: 'text?',
    open: 'text',
    tty: 'integer',
    state: 'text',
    token_hash: 'text',
    started_at: 'integer',
    ended_at: 'integer?',
    exit: 'text?',
    close_code: 'integer?',
    recording_id: 'text?',
  },
  recordings: {
    ...id,
    session_id: 'text',
    replica_id: 'text',
    part: 'integer',
    url: 'text',
    bytes: 'integer',
    sha256: 'text?',
    sealed_key: 'text',
    ended_at: 'integer?',
  },
  secret_keys: { ...id, state: 'text', check_value: 'text', salt: 'text?', updated_at: 'integer' },
  settings: { key: 'text', value: 'text', updated_at: 'integer' },
  replicas: {
    ...id,
    peer_url: 'text?',
    agent_url: 'text?',
    version: 'text',
    started_at: 'integer',
    seen_at: 'integer',
    keks: 'text',
  },
  leases: { name: 'text', owner: 'text', expires_at: 'integer' },
  idempotency: {
    key: 'text',
    principal: 'text',
    operation: 'text',
    status: 'integer',
    body: 'text',
    created_at: 'integer',
  },
  events: { ...id, type: 'text', resource: 'text', resource_id: 'text', details: 'text' },
  bastions: { ...row, name: 'text', url: 'text?', labels: 'text', last_seen_at: 'integer?', revoked_at: 'integer?' },
  machines: {
    ...row,
    bastion_id: 'text',
    mac: 'text',
    hostname: 'text?',
    role: 'text?',
    state: 'text',
    details: 'text?',
    updated_at: 'integer',
  },
  nodes: {
    ...row,
    name: 'text',
    tenant: 'text',
    token_hash: 'text?',
    labels: 'text',
    state: 'text',
    last_seen_at: 'integer?',
  },
  keys: { ...id, name: 'text', hash: 'text', scopes: 'text', last_used_at: 'integer?', revoked_at: 'integer?' },
  key_usage: {
    key_id: 'text',
    model: 'text',
    endpoint: 'text',
    requests: 'integer',
    errors: 'integer',
    prompt_tokens: 'integer',
    completion_tokens: 'integer',
    updated_at: 'integer',
  },
  clusters: { ...row, name: 'text', api_url: 'text?', kubeconfig_enc: 'text?', labels: 'text' },
  app_releases: {
    ...row,
    cluster_id: 'text',
    name: 'text',
    namespace: 'text',
    chart: 'text',
    values: 'text',
    manifest: 'text',
    hash: 'text',
    number: 'integer',
  },
  app_runs: { ...row, release_id: 'text', executor: 'text', plan: 'text?', result: 'text?', log: 'text?' },
};

export const dataTables = Object.keys(columns) as DataTable[];

const keys: Partial<Record<DataTable, readonly string[]>> = {
  server_labels: ['server_id', 'key'],
  agent_sessions: ['agent_id'],
  audit_cursors: ['sink', 'chain'],
  settings: ['key'],
  leases: ['name'],
  idempotency: ['key', 'principal', 'operation'],
  key_usage: ['key_id', 'model', 'endpoint'],
};
/** The columns of the primary key, all text. */
export const primaryKey = (table: DataTable): readonly string[] => keys[table] ?? ['id'];
