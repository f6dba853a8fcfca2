export type AuditLogOptions = {
  /** Longest wait of a row for its group. Default 20. */
  commitWaitMs?: number;
  /** Rows that end the wait. Default 100. */
  commitRows?: number;
  /** Default 10,000. */
  queueMax?: number;
  /** Default 2,000. */
  writeTimeoutMs?: number;
  /** Told after each commit, for metrics. */
  onCommit?: (rows: number, ms: number) => void;
};
