/**
 * The error table: every error a client can meet, once. `status` is the HTTP status, `type` the OpenAI error type,
 * `blame` who has to act (caller, world = an endpoint or the network, ours), `text` the default public message.
 * A message shown to a stranger never holds an address, a path, a key or a stack: what the log needs goes into
 * `ApiError.cause` or `ApiError.log`, never into `message`.
 */
export type Blame = 'caller' | 'world' | 'ours';

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'insufficient_quota'
  | 'api_error'
  | 'overloaded_error';

type Row = { status: number; type: ErrorType; blame: Blame; text: string; retryAfterS?: number };

const caller = (status: number, type: ErrorType, text: string): Row => ({ status, type, blame: 'caller', text });
const world = (status: number, type: ErrorType, text: string, retryAfterS?: number): Row =>
  retryAfterS === undefined
    ? { status, type, blame: 'world', text }
    : { status, type, blame: 'world', text, retryAfterS };

export const errorTable = {
  invalid_json: caller(400, 'invalid_request_error', 'the request body is not one JSON object'),
  duplicate_field: caller(400, 'invalid_request_error', 'a field is present twice'),
  invalid_type: caller(400, 'invalid_request_error', 'a field has the wrong type'),
  too_deep: caller(400, 'invalid_request_error', 'the request body is nested deeper than 128 levels'),
  invalid_value: caller(400, 'invalid_request_error', 'a field has a value that is not allowed'),
  unsupported_parameter: caller(400, 'invalid_request_error', 'this engine does not support a field of the request'),
  context_length_exceeded: caller(400, 'invalid_request_error', "the prompt is longer than the model's context"),
  model_required: caller(
    400,
    'invalid_request_error',
    "the field 'model' is missing; see GET /v1/models or `labctl models`",
  ),
  bad_request: caller(400, 'invalid_request_error', 'the request is not valid HTTP/1.1'),
  invalid_api_key: caller(
    401,
    'authentication_error',
    'no valid API key; send `Authorization: Bearer lmk_…` (make one with `labctl keys create`)',
  ),
  insufficient_scope: caller(403, 'permission_error', 'this API key may not do that'),
  origin_refused: caller(403, 'permission_error', 'requests from a browser page of another origin are refused'),
  model_not_found: caller(404, 'not_found_error', 'this model is unknown; `labctl models` lists what is served'),
  unknown_route: caller(404, 'not_found_error', 'there is no such route'),
  not_conplane: caller(403, 'permission_error', 'only the hub of the tunnel may ask here'),
  path_not_exposed: caller(
    404,
    'not_found_error',
    'this node does not offer that path; GET /v1/models lists what it serves',
  ),
  key_not_found: caller(404, 'not_found_error', 'there is no such key; `labctl keys list` lists them'),
  method_not_allowed: caller(405, 'invalid_request_error', 'this route does not take that method'),
  header_timeout: caller(408, 'invalid_request_error', 'the request head did not arrive in time'),
  body_timeout: caller(408, 'invalid_request_error', 'the request body did not arrive in time'),
  request_too_large: caller(413, 'invalid_request_error', 'the request body is too large'),
  unsupported_media_type: caller(415, 'invalid_request_error', 'the request body must be application/json'),
  headers_too_large: caller(431, 'invalid_request_error', 'the request head is too large'),
  verification_bad_option: caller(
    400,
    'invalid_request_error',
    'the verification block has a field that is not allowed',
  ),
  verification_failed: caller(422, 'invalid_request_error', 'no answer passed verification'),
  budget_exceeded: caller(429, 'insufficient_quota', 'the budget of this key or request is used up'),
  arena_busy: {
    status: 429,
    type: 'rate_limit_error',
    blame: 'ours',
    text: 'as many answers wait for verification as may',
    retryAfterS: 5,
  },
  queue_full: {
    status: 429,
    type: 'rate_limit_error',
    blame: 'world',
    text: 'every endpoint with this model is busy and the queue is full',
    retryAfterS: 2,
  },
  rate_limit_exceeded: world(429, 'rate_limit_error', 'every endpoint with this model asks for a pause', 5),
  node_busy: {
    status: 429,
    type: 'rate_limit_error',
    blame: 'world',
    text: 'this node runs as many requests as it may',
    retryAfterS: 2,
  },
  internal_error: {
    status: 500,
    type: 'api_error',
    blame: 'ours',
    text: 'an error on our side; the log has the details under this request id',
  },
  not_supported: caller(501, 'invalid_request_error', 'this route of the OpenAI API is not supported'),
  upstream_error: world(502, 'api_error', 'the endpoint failed to answer', 2),
  upstream_auth: world(502, 'api_error', 'the endpoint refused our credentials; its operator has to set its api_key'),
  upstream_invalid: world(502, 'api_error', 'the endpoint gave an answer that is not valid HTTP', 2),
  upstream_too_large: world(502, 'api_error', 'the endpoint gave an answer above the size limit'),
  upstream_redirect: world(502, 'api_error', 'the endpoint answered with a redirect, which is never followed'),
  no_endpoint_available: world(503, 'overloaded_error', 'no endpoint with this model is up now', 5),
  endpoint_unhealthy: world(503, 'overloaded_error', 'the endpoint of this model is down now', 5),
  node_hub_unreachable: world(
    503,
    'overloaded_error',
    'the replica whose hub has this node cannot be reached, or does not reach the node',
    5,
  ),
  model_loading: world(503, 'overloaded_error', 'the model is still loading', 10),
  queue_timeout: world(503, 'overloaded_error', 'no endpoint became free in time', 2),
  too_many_connections: world(503, 'overloaded_error', 'too many open connections', 1),
  body_memory_full: world(503, 'overloaded_error', 'too many large requests are in memory at once', 1),
  verification_inconclusive: world(
    503,
    'api_error',
    'the answer could not be checked, so it is neither good nor bad',
    5,
  ),
  verification_unavailable: world(503, 'overloaded_error', 'verification is away now', 5),
  verification_deadline: world(504, 'api_error', 'verification did not end in time', 5),
  draining: world(503, 'overloaded_error', 'the server is shutting down', 5),
  server_shutting_down: world(503, 'overloaded_error', 'the server is shutting down and ended this stream', 5),
  upstream_timeout: world(504, 'api_error', 'the endpoint did not answer in time', 2),
  upstream_stalled: world(504, 'api_error', 'the endpoint stopped in the middle of its answer', 2),
  upstream_broken: world(502, 'api_error', 'the endpoint broke off in the middle of its answer', 2),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errorTable;

export type ApiErrorOptions = {
  /** Public text; replaces the table's default. Must be safe for strangers. */
  message?: string;
  /** The request field at fault, as a path such as `messages[0].role`. */
  param?: string;
  retryAfterS?: number;
  /** For the log only, never sent: addresses, engine texts. */
  log?: string;
  cause?: unknown;
};

/** An error with a row in the table. Thrown at the edge it happens at, written once by whoever owns the answer. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly type: ErrorType;
  readonly blame: Blame;
  readonly param: string | null;
  readonly retryAfterS: number | undefined;
  readonly log: string | undefined;

  constructor(code: ErrorCode, options: ApiErrorOptions = {}) {
    const row: Row = errorTable[code];
    super(options.message ?? row.text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = row.status;
    this.type = row.type;
    this.blame = row.blame;
    this.param = options.param ?? null;
    this.retryAfterS = options.retryAfterS ?? row.retryAfterS;
    this.log = options.log;
  }
}

/** OpenAI's error form: `{"error":{message,type,param,code},"request_id"}`. */
export function openaiErrorBody(error: ApiError, requestId?: string) {
  const inner = { message: error.message, type: error.type, param: error.param, code: error.code };
  return requestId === undefined ? { error: inner } : { error: inner, request_id: requestId };
}
