/**
 * Every operation of the public HTTP surfaces, once: routers, help, clients, the permission table and the docs read
 * this list. `{id}` in a path is one segment, percent-encoded; model ids may hold `/`, so `get-model` takes the rest.
 */
export type Plane = 'gateway' | 'labman';
/** none = open; key = an API key (or open mode on loopback); admin = a key with the scope named. */
export type Access = 'none' | 'key' | 'admin';

/** Scopes an API key may have (gateway G-13). */
export const scopes = [
  'chat',
  'completions',
  'responses',
  'messages',
  'embeddings',
  'rerank',
  'audio',
  'images',
  'models',
  'verify',
  'slugs',
  'debug',
  'metrics',
  'nodes',
  'priority:low',
  'priority:normal',
  'priority:high',
  'priority:critical',
  'arena:operate',
  'admin:read',
  'admin:write',
] as const;
export type Scope = (typeof scopes)[number];

export type Operation = {
  /** Verb-noun. */
  name: string;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  plane: Plane;
  auth: Access;
  scope?: Scope;
  /** One line for help and OpenAPI. */
  summary: string;
};

export const operations = [
  {
    name: 'list-models',
    method: 'GET',
    path: '/v1/models',
    plane: 'gateway',
    auth: 'key',
    scope: 'models',
    summary: 'Lists the models that can be served now',
  },
  {
    name: 'get-model',
    method: 'GET',
    path: '/v1/models/{id}',
    plane: 'gateway',
    auth: 'key',
    scope: 'models',
    summary: 'Shows one model',
  },
  {
    name: 'create-chat-completion',
    method: 'POST',
    path: '/v1/chat/completions',
    plane: 'gateway',
    auth: 'key',
    scope: 'chat',
    summary: 'Answers a chat, whole or as a stream',
  },
  {
    name: 'create-completion',
    method: 'POST',
    path: '/v1/completions',
    plane: 'gateway',
    auth: 'key',
    scope: 'completions',
    summary: 'Continues a text, whole or as a stream',
  },
  {
    name: 'create-embedding',
    method: 'POST',
    path: '/v1/embeddings',
    plane: 'gateway',
    auth: 'key',
    scope: 'embeddings',
    summary: 'Turns texts into vectors',
  },
  {
    name: 'create-run',
    method: 'POST',
    path: '/api/arena/runs',
    plane: 'gateway',
    auth: 'key',
    scope: 'verify',
    summary: 'Answers a chat with verification and shows its variations and verdicts as they come',
  },
  {
    name: 'get-certificate',
    method: 'GET',
    path: '/v1/certificates/{id}',
    plane: 'gateway',
    auth: 'key',
    scope: 'verify',
    summary: 'Gives a certificate of an answer by its id or the id of its run',
  },
  {
    name: 'get-health',
    method: 'GET',
    path: '/health',
    plane: 'gateway',
    auth: 'none',
    summary: 'Answers 200 while the process is up',
  },
  {
    name: 'get-ready',
    method: 'GET',
    path: '/ready',
    plane: 'gateway',
    auth: 'none',
    summary: 'Answers 200 while a model can be served, else 503 with reasons',
  },
  {
    name: 'get-metrics',
    method: 'GET',
    path: '/metrics',
    plane: 'gateway',
    auth: 'admin',
    scope: 'metrics',
    summary: 'Metrics in Prometheus text; open on loopback',
  },
  {
    name: 'get-status',
    method: 'GET',
    path: '/admin/status',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:read',
    summary: 'State, version and load of the gateway',
  },
  {
    name: 'list-endpoints',
    method: 'GET',
    path: '/admin/endpoints',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:read',
    summary: 'Lists the LLM servers with their state and load',
  },
  {
    name: 'list-served-models',
    method: 'GET',
    path: '/admin/models',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:read',
    summary: 'Lists models and aliases with the endpoints that serve them',
  },
  {
    name: 'list-keys',
    method: 'GET',
    path: '/admin/keys',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:read',
    summary: 'Lists API keys, never their secrets',
  },
  {
    name: 'create-key',
    method: 'POST',
    path: '/admin/keys',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:write',
    summary: 'Makes an API key and shows it once',
  },
  {
    name: 'edit-key',
    method: 'PATCH',
    path: '/admin/keys/{id}',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:write',
    summary: 'Changes what an API key may ask of the arena and how its answers are verified',
  },
  {
    name: 'revoke-key',
    method: 'DELETE',
    path: '/admin/keys/{id}',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:write',
    summary: 'Ends an API key at once',
  },
  {
    name: 'get-usage',
    method: 'GET',
    path: '/admin/usage',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:read',
    summary: 'Sums requests and tokens by key, model or endpoint',
  },
  {
    name: 'set-verification-mode',
    method: 'POST',
    path: '/admin/mode/{mode}',
    plane: 'gateway',
    auth: 'admin',
    scope: 'arena:operate',
    summary: 'Sets how answers are verified that no request, key or alias says it of, until the next start',
  },
  {
    name: 'clear-cache',
    method: 'POST',
    path: '/admin/clear-cache',
    plane: 'gateway',
    auth: 'admin',
    scope: 'arena:operate',
    summary: 'Forgets verified answers that would be given again, of all tenants or of one',
  },
  {
    name: 'delete-cache',
    method: 'DELETE',
    path: '/admin/cache',
    plane: 'gateway',
    auth: 'admin',
    scope: 'arena:operate',
    summary: 'The same as clear-cache',
  },
  {
    name: 'drain-gateway',
    method: 'POST',
    path: '/admin/drain',
    plane: 'gateway',
    auth: 'admin',
    scope: 'admin:write',
    summary: 'Takes no new request, ends the running ones, then stops',
  },
] as const satisfies readonly Operation[];

export type OperationName = (typeof operations)[number]['name'];

const byName = new Map<string, Operation>(operations.map((row) => [row.name, row]));

/** The row of an operation. */
export function operation(name: OperationName): Operation {
  return byName.get(name) as Operation;
}
