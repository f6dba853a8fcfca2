/** The third release: the arena's runs, suites, certificates and preference data; keys know their tenant, and their sums all that is counted. */
const row = 'id text not null primary key, created_at bigint not null, revision bigint not null default 1';

const keys: readonly string[] = [
  `alter table keys add column tenant text not null default 'default'`,
  'alter table keys add column verification text',
  'alter table keys add column variations bigint',
  'alter table key_usage add column cached_tokens bigint not null default 0',
  'alter table key_usage add column estimated bigint not null default 0',
];

const runs: readonly string[] = [
  `create table if not exists arena_runs (${row}, tenant text not null, key_id text not null, request_id text not null,
   mode text not null, state text not null, priority bigint not null, model text not null, offer text, seed bigint not null,
   plan text, outcome text, chosen bigint, certificate_id text, report text, error text, tokens_in bigint not null,
   tokens_out bigint not null, cost_nano bigint not null, deadline_at bigint not null, finished_at bigint,
   lease_owner text, lease_until bigint, pairs_state text)`,
  'create unique index if not exists arena_runs_by_request on arena_runs (tenant, request_id)',
  'create index if not exists arena_runs_by_state on arena_runs (state)',
  'create index if not exists arena_runs_by_tenant on arena_runs (tenant, id)',
  'create index if not exists arena_runs_by_pairs_state on arena_runs (pairs_state, id)',
  `create table if not exists arena_candidates (${row}, run_id text not null, idx bigint not null, attempt bigint not null,
   state text not null, same_as bigint, sampling text not null, digest text, answer text, model text, finish_reason text,
   tokens_in bigint not null, tokens_out bigint not null, cost_nano bigint not null, latency_ms bigint, outcome text,
   aggregate text, reason text)`,
  'create unique index if not exists arena_candidates_by_place on arena_candidates (run_id, idx, attempt)',
  `create table if not exists arena_verdicts (${row}, run_id text not null, idx bigint not null, attempt bigint not null,
   plugin text not null, verdict text not null)`,
  'create unique index if not exists arena_verdicts_by_place on arena_verdicts (run_id, idx, attempt, plugin)',
  `create table if not exists arena_matches (${row}, run_id text not null, round bigint not null,
   a bigint not null, b bigint not null, leg text not null, judge text not null, result text)`,
  'create unique index if not exists arena_matches_by_place on arena_matches (run_id, round, a, b, leg)',
];

const claims: readonly string[] = [
  `create table if not exists arena_suites (${row}, tenant text not null, name text not null, sha256 text not null,
   language text not null, cases bigint not null, sealed text not null, created_by text not null)`,
  'create unique index if not exists arena_suites_by_name on arena_suites (tenant, name)',
  `create table if not exists arena_certificates (${row}, tenant text not null, run_id text not null, bundle text not null,
   sha256 text not null, log_index bigint, expires_at bigint, revoked_at bigint, revoked_reason text)`,
  'create unique index if not exists arena_certificates_by_run_id on arena_certificates (run_id)',
  'create index if not exists arena_certificates_by_tenant on arena_certificates (tenant, id)',
  // Asked for each second that a tenant's kept answers are used, and almost always empty.
  'create index if not exists arena_certificates_revoked on arena_certificates (tenant) where revoked_at is not null',
  `create table if not exists arena_battles (${row}, tenant text not null, bracket text not null, task text not null,
   player_a text not null, player_b text not null, wins_a bigint not null, wins_b bigint not null, ties bigint not null)`,
  'create unique index if not exists arena_battles_by_pair on arena_battles (tenant, bracket, task, player_a, player_b)',
];

const data: readonly string[] = [
  `create table if not exists arena_triplets (${row}, tenant text not null, run_id text not null, certificate_id text,
   quality text not null, source text not null, status text not null, confidence_ppm bigint not null,
   triplet text not null, stage text not null default 'pending')`,
  'create index if not exists arena_triplets_by_tenant on arena_triplets (tenant, id)',
  'create index if not exists arena_triplets_by_run_id on arena_triplets (run_id)',
  'create index if not exists arena_triplets_by_stage on arena_triplets (stage, tenant)',
  `create table if not exists arena_datasets (${row}, tenant text not null, name text not null, number bigint not null,
   sha256 text not null, count bigint not null, filters text not null, author text not null, state text not null,
   log_index bigint, stage text not null default 'processed')`,
  'create unique index if not exists arena_datasets_by_name on arena_datasets (tenant, name, number)',
  `create table if not exists arena_dataset_rows (dataset_id text not null, triplet_id text not null, part text not null,
   primary key (dataset_id, triplet_id))`,
  'create index if not exists arena_dataset_rows_by_triplet_id on arena_dataset_rows (triplet_id)',
  `create table if not exists arena_batches (${row}, tenant text not null, state text not null, pairs bigint not null,
   name text not null, dataset_id text, fault text, decided_by text, decided_at bigint)`,
  'create index if not exists arena_batches_by_tenant on arena_batches (tenant, id)',
  'create index if not exists arena_batches_by_state on arena_batches (state)',
  `create table if not exists arena_labels (${row}, tenant text not null, run_id text not null, a bigint not null,
   b bigint not null, reviewer text not null, winner text not null, confidence_ppm bigint not null, words text not null)`,
  'create unique index if not exists arena_labels_by_place on arena_labels (run_id, a, b, reviewer)',
  'create index if not exists arena_labels_by_tenant on arena_labels (tenant, id)',
  `create table if not exists arena_judges (${row}, tenant text not null, model text not null, tuning text,
   instructions text, approved_by text, approved_at bigint)`,
  'create unique index if not exists arena_judges_by_model on arena_judges (tenant, model)',
];

export const release3: readonly string[] = [...keys, ...runs, ...claims, ...data];
