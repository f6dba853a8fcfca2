/** What the sessions need of the agent's configuration (AG-2, AG-3) and of labd's exec settings. */
export type SessionOptions = {
  /** `agent.exec`; false refuses exec, attach, copy and forward here, whatever labd says. */
  exec: boolean;
  /** `agent.logins`: account names or globs with `*` that exec and copy may use. */
  logins: readonly string[];
  /** `agent.log_paths`: globs of files that `logs --file` may read. */
  logPaths: readonly string[];
  /** Live exec sessions, detached ones included (`exec.per_server_max`). */
  execMax: number;
  /** Live sessions of every kind. */
  sessionsMax: number;
  /** How long a session lives while nobody is there (EX-7). */
  orphanTtlMs: number;
  /** The same for a detached one. */
  detachedTtlMs: number;
  /** Between TERM and KILL (EX-5). */
  killAfterMs: number;
  /** Silence after which an output is given up that a child left behind holds (EX-4). */
  drainMs: number;
  /** What starts this program, for the copy helper that works as another account. */
  selfCommand: readonly string[];
};

export const defaultSessionOptions: SessionOptions = {
  exec: true,
  logins: ['*'],
  logPaths: ['/var/log/**'],
  execMax: 64,
  sessionsMax: 512,
  orphanTtlMs: 5 * 60_000,
  detachedTtlMs: 24 * 3_600_000,
  killAfterMs: 5_000,
  drainMs: 2_000,
  selfCommand: [process.execPath],
};
