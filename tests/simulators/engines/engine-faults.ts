/** Faults of a simulated engine; change them at any time. */
export type EngineFaults = {
  /** Every route answers this status … */
  status?: number;
  /** … or only the generating ones do. */
  generateStatus?: number;
  /** Body and Retry-After of those. */
  body?: string;
  retryAfter?: string;
  /** Takes the request and never answers: all routes, or only generating ones. */
  hangBeforeHead?: boolean | 'generate';
  /** Cuts the connection after so many events of a stream. */
  breakAfterEvents?: number;
  /** Stops after so many events and stays silent. */
  stallAfterEvents?: number;
  /** Answers with bytes that are not HTTP. */
  garbageHead?: boolean;
  /** Cuts the connection instead of answering a generating request. */
  cutBeforeHead?: boolean;
  /** The model is still loading, in the engine's own words. */
  loading?: boolean;
};
