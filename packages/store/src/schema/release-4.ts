/** The fourth release: what people say of answers counts on leaderboards, battles with the style of their answers, what was found of engines and what they had kept of prompts, calls of tools, and nodes' next WireGuard keys. */
const row = 'id text not null primary key, created_at bigint not null, revision bigint not null default 1';

const boards: readonly string[] = [
  // Filled when a label is given; those of before are placed later, and meanwhile are on no board.
  'alter table arena_labels add column bracket text',
  'alter table arena_labels add column task text',
  'alter table arena_labels add column player_a text',
  'alter table arena_labels add column player_b text',
  'alter table arena_labels add column style text',
  'create index if not exists arena_labels_by_board on arena_labels (tenant, bracket, task)',
  'create index if not exists arena_labels_unplaced on arena_labels (id) where player_a is null',
  `create table if not exists arena_styled_battles (${row}, tenant text not null, bracket text not null, task text not null,
   player_a text not null, player_b text not null, winner text not null, style text not null)`,
  'create index if not exists arena_styled_battles_by_board on arena_styled_battles (tenant, bracket, task, id)',
];

const engines: readonly string[] = [
  `create table if not exists arena_engines (${row}, engine text not null, replayable text not null)`,
  'create unique index if not exists arena_engines_by_engine on arena_engines (engine)',
];

const candidates: readonly string[] = [
  'alter table arena_candidates add column tokens_cached bigint',
  'alter table arena_candidates add column tool_calls text',
  'alter table arena_candidates add column rollout text',
];

const peers: readonly string[] = [
  'alter table tunnel_peers add column next_wireguard_public_key text',
  'alter table tunnel_peers add column proxy_port bigint',
];

export const release4: readonly string[] = [...boards, ...engines, ...candidates, ...peers];
