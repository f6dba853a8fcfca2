/**
 * The fleet plane's error table (AP-5 … AP-9): every code that labd gives, with its HTTP status and the text a stranger
 * may read. A message never holds an address, a path or a stack: what the log needs goes into `log` or `cause`.
 */
type Row = { status: number; text: string; retryAfterMs?: number };

const row = (status: number, text: string, retryAfterMs?: number): Row =>
  retryAfterMs === undefined ? { status, text } : { status, text, retryAfterMs };

export const fleetErrors = {
  VALIDATION_FAILED: row(400, 'the request is not valid'),
  KEY_TYPE_REFUSED: row(400, 'only EC keys on P-256 or P-384 are signed'),
  ROSENPASS_KEY_INVALID: row(400, 'a Rosenpass public key has 524,160 bytes, 698,880 characters of base64'),
  SELECTOR_UNTRUSTED: row(400, 'labels that an agent reports cannot decide about access'),
  UNAUTHENTICATED: row(401, 'no valid identity; `labctl login` gives one'),
  TOKEN_INVALID: row(401, 'this token is not valid'),
  PERMISSION_DENIED: row(403, 'this identity may not do that'),
  ORIGIN_REFUSED: row(403, 'requests from that origin or under that host name are refused'),
  REVOKED: row(403, 'this identity was revoked'),
  BANNED: row(403, 'this machine or key is banned; `labctl unban server/<name>` lifts it'),
  TOKEN_EXPIRED: row(403, 'this token has expired; make another with `labctl create token`'),
  TOKEN_USED: row(403, 'this token was used already; make another with `labctl create token`'),
  TOKEN_REVOKED: row(403, 'this token was revoked'),
  TOKEN_SCOPE: row(403, 'this token is not for this machine'),
  NOT_FOUND: row(404, 'there is no such thing, or you may not see it'),
  METHOD_NOT_ALLOWED: row(405, 'this route does not take that method'),
  CONFLICT: row(409, 'this conflicts with what is there already'),
  STALE_REVISION: row(409, 'it was changed meanwhile; read it again and repeat'),
  SERVER_EXISTS: row(409, 'a server with this machine id, MAC or host name is known already'),
  PIN_MISMATCH: row(409, 'its key changed; `labctl tunnel trust` lets the new one in'),
  LAST_ADMIN: row(409, 'the last administrator cannot go'),
  ESCALATION: row(409, 'nobody can grant more than they hold'),
  AGENT_NOT_CONNECTED: row(409, 'its agent is not connected'),
  WAITING_APPROVAL: row(409, 'this machine waits for an operator: `labctl approve agent/<name>`'),
  CA_PHASE: row(409, 'the rotation is not in a phase that allows this'),
  PAYLOAD_TOO_LARGE: row(413, 'the request is too large'),
  WRONG_LISTENER: row(421, 'agents connect to the agent listener (agent_url)'),
  VERSION_UNSUPPORTED: row(426, 'this protocol version is not supported'),
  RATE_LIMITED: row(429, 'too many requests', 1_000),
  INTERNAL: row(500, 'an error on our side; the log has the details under this request id'),
  NOT_AVAILABLE: row(501, 'this is not part of this version'),
  STORE_UNAVAILABLE: row(503, 'the database is away', 2_000),
  STORE_CONFLICT: row(503, 'the database had too many conflicts', 500),
  AUDIT_UNAVAILABLE: row(503, 'the audit row cannot be written, so nothing was done', 2_000),
  RECORDING_UNAVAILABLE: row(503, 'the session cannot be recorded, so it was not started', 5_000),
  REVOCATION_STALE: row(503, 'the deny list is too old to trust', 2_000),
  SHUTTING_DOWN: row(503, 'the server is shutting down', 2_000),
  AGENT_TIMEOUT: row(504, 'the agent did not answer in time'),
} as const satisfies Record<string, Row>;

export type FleetErrorCode = keyof typeof fleetErrors;

export type FleetErrorOptions = {
  /** Public text in place of the table's. Safe for strangers. */
  message?: string;
  /** Path of the field at fault: `labels.env`. */
  field?: string;
  /** The way out, in one line. */
  hint?: string;
  retryAfterMs?: number;
  /** For the log only. */
  log?: string;
  cause?: unknown;
};

/** An error with a row in the table; written once, by whoever owns the answer. */
export class FleetError extends Error {
  readonly code: FleetErrorCode;
  readonly status: number;
  readonly field: string | undefined;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly log: string | undefined;

  constructor(code: FleetErrorCode, options: FleetErrorOptions = {}) {
    const found: Row = fleetErrors[code];
    super(options.message ?? found.text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FleetError';
    this.code = code;
    this.status = found.status;
    this.field = options.field;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs ?? found.retryAfterMs;
    this.log = options.log;
  }
}

/** `{"error":{code, message, field?, hint?, requestId, retryAfterMs?}}` (AP-5). */
export function fleetErrorBody(error: FleetError, requestId: string) {
  const { code, message, field, hint, retryAfterMs } = error;
  return {
    error: {
      code,
      message,
      ...(field !== undefined && { field }),
      ...(hint !== undefined && { hint }),
      requestId,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  };
}
