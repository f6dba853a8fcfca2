import { kindNames, type KindName } from '../registry/endpoint.ts';
import type { Answer, Kind } from './kind.ts';
import {
  llamacppProps,
  llamaswapRunning,
  lmstudioList,
  lmstudioOldList,
  ollamaRunning,
  ollamaTags,
  openaiList,
  residentList,
  sglangInfoList,
  tgiInfo,
  tgiInfoList,
  versionFact,
} from './list-readers.ts';
import { llamacppSlots, sglangLoads, vllmLoad } from './load-readers.ts';
import { asArray, asObject, asText } from './read-json.ts';
import type { Seen } from './seen.ts';

/*
 * The kinds of engines, as data (gateway spec §2.2, network-plane spec 8.2). Adding one is adding a row here, a name
 * in kindNames and a simulator. Rows stand in the order in which two that both fit are preferred.
 */

const ok = (answer: Answer): boolean => answer.status === 200;

/** Every listed model has this owner: a proxy that mixes several engines has not. */
const ownedBy =
  (...owners: string[]) =>
  (answer: Answer): boolean => {
    const models = ok(answer) ? asArray(asObject(answer.json)?.['data']) : undefined;
    if (models === undefined || models.length === 0) return false;
    return models.every((model) => owners.includes(asText(asObject(model)?.['owned_by']) ?? ''));
  };

const has =
  (...keys: string[]) =>
  (answer: Answer): boolean => {
    const object = ok(answer) ? asObject(answer.json) : undefined;
    return object !== undefined && keys.every((key) => object[key] !== undefined);
  };

/** Engines whose /health gives a bare 503 while they start. */
const loadingAt503 = (answer: Answer): Seen | undefined =>
  answer.status === 503 ? { type: 'loading', detail: `503 ${answer.text.slice(0, 120)}`.trim() } : undefined;

/** Something else may have taken the port: a 200 alone does not do. */
const saying =
  (wanted: RegExp) =>
  (answer: Answer): Seen | undefined =>
    ok(answer) && !wanted.test(answer.text)
      ? { type: 'failed', reason: 'invalid', detail: 'another server answers at this address' }
      : undefined;

const ollama: Kind = {
  name: 'ollama',
  ports: [11434],
  tells: [{ path: '/', is: (answer) => ok(answer) && answer.text.trim() === 'Ollama is running' }],
  liveness: [{ path: '/', read: saying(/Ollama is running/) }],
  lists: [
    { path: '/api/tags', read: ollamaTags },
    { path: '{v1}/models', read: openaiList },
  ],
  warm: { path: '/api/ps', read: ollamaRunning },
  facts: [{ path: '/api/version', read: versionFact }],
  capacity: 1,
  capacityHard: true,
  queue: 1,
};

const vllm: Kind = {
  name: 'vllm',
  ports: [8000],
  tells: [{ path: '{v1}/models', is: ownedBy('vllm') }],
  liveness: [{ path: '/health' }, { path: '/ping' }],
  lists: [{ path: '{v1}/models', read: residentList }],
  facts: [{ path: '/version', read: versionFact }],
  metrics: {
    path: '/metrics',
    running: ['vllm:num_requests_running'],
    waiting: ['vllm:num_requests_waiting'],
    kv: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc'],
  },
  jsonGauges: [{ path: '/load', read: vllmLoad }],
  capacity: 64,
  capacityHard: false,
  queue: 0,
};

const sglang: Kind = {
  name: 'sglang',
  ports: [30000],
  tells: [{ path: '{v1}/models', is: ownedBy('sglang') }],
  // Never /health_generate: it generates.
  liveness: [{ path: '/health', read: loadingAt503 }],
  lists: [
    { path: '{v1}/models', read: residentList },
    { path: '/model_info', read: sglangInfoList },
    { path: '/get_model_info', read: sglangInfoList },
  ],
  facts: [
    { path: '/server_info', read: versionFact },
    { path: '/get_server_info', read: versionFact },
  ],
  metrics: {
    path: '/metrics',
    running: ['sglang_num_running_reqs', 'sglang:num_running_reqs'],
    waiting: ['sglang_num_queue_reqs', 'sglang:num_queue_reqs'],
    kv: ['sglang_token_usage', 'sglang:token_usage'],
  },
  jsonGauges: [{ path: '/v1/loads', read: sglangLoads }],
  capacity: 64,
  capacityHard: false,
  queue: 0,
};

const llamacpp: Kind = {
  name: 'llamacpp',
  ports: [8080, 9931],
  tells: [
    { path: '/props', is: (answer) => has('total_slots')(answer) || has('default_generation_settings')(answer) },
    { path: '/props', is: (answer) => ok(answer) && asObject(answer.json)?.['role'] === 'router' },
    { path: '{v1}/models', is: ownedBy('llamacpp') },
  ],
  liveness: [{ path: '/health', read: loadingAt503 }],
  lists: [{ path: '{v1}/models', read: openaiList }],
  facts: [{ path: '/props', read: llamacppProps }],
  metrics: {
    path: '/metrics',
    running: ['llamacpp:requests_processing'],
    waiting: ['llamacpp:requests_deferred'],
    kv: ['llamacpp:kv_cache_usage_ratio'],
  },
  jsonGauges: [{ path: '/slots', read: llamacppSlots }],
  // Without /props nobody knows the slots.
  capacity: 1,
  capacityHard: true,
  queue: 0,
};

const lmstudio: Kind = {
  name: 'lmstudio',
  ports: [1234],
  tells: [
    // It answers 200 to routes it does not have, with an `error`: only the shape counts.
    { path: '/api/v1/models', is: (answer) => ok(answer) && lmstudioShape(answer.json) },
    { path: '{v1}/models', is: ownedBy('organization_owner') },
  ],
  liveness: [{ path: '{v1}/models' }],
  lists: [
    { path: '/api/v1/models', read: lmstudioList },
    { path: '/api/v0/models', read: lmstudioOldList },
    { path: '{v1}/models', read: openaiList },
  ],
  capacity: 4,
  capacityHard: true,
  queue: 0,
};

function lmstudioShape(json: unknown): boolean {
  const models = asArray(asObject(json)?.['models']);
  if (models === undefined || models.length === 0) return false;
  return models.every((model) => asArray(asObject(model)?.['loaded_instances']) !== undefined);
}

const mistralrs: Kind = {
  name: 'mistralrs',
  ports: [1234],
  tells: [{ path: '/v1/system/info', is: has('cpu', 'memory') }],
  liveness: [{ path: '/health', read: saying(/^"?OK"?\s*$/) }],
  lists: [{ path: '{v1}/models', read: openaiList }],
  metrics: { path: '/metrics', running: ['http_requests_in_flight'], waiting: [], kv: [] },
  capacity: 16,
  capacityHard: false,
  queue: 0,
};

const tgi: Kind = {
  name: 'tgi',
  ports: [80, 3000],
  tells: [{ path: '/info', is: has('model_id', 'max_total_tokens') }],
  liveness: [{ path: '/health' }],
  lists: [
    { path: '{v1}/models', read: residentList },
    { path: '/info', read: tgiInfoList },
  ],
  facts: [{ path: '/info', read: tgiInfo }],
  metrics: { path: '/metrics', running: ['tgi_batch_current_size'], waiting: ['tgi_queue_size'], kv: [] },
  capacity: 32,
  capacityHard: false,
  queue: 0,
};

const localai: Kind = {
  name: 'localai',
  ports: [8080],
  tells: [{ path: '/v1/models/capabilities', is: (answer) => ok(answer) && capabilityList(answer.json) }],
  liveness: [{ path: '/readyz' }, { path: '/healthz' }],
  lists: [{ path: '{v1}/models', read: openaiList }],
  facts: [{ path: '/version', read: versionFact }],
  capacity: 32,
  capacityHard: false,
  queue: 0,
};

function capabilityList(json: unknown): boolean {
  const models = asArray(asObject(json)?.['data']);
  if (models === undefined || models.length === 0) return false;
  return models.every((model) => asArray(asObject(model)?.['capabilities']) !== undefined);
}

const llamaswap: Kind = {
  name: 'llamaswap',
  ports: [8080],
  tells: [
    { path: '{v1}/models', is: ownedBy('llama-swap') },
    { path: '/running', is: (answer) => ok(answer) && llamaswapRunning(answer.json) !== undefined },
  ],
  liveness: [{ path: '/health', read: saying(/^OK\s*$/) }],
  lists: [{ path: '{v1}/models', read: openaiList }],
  warm: { path: '/running', read: llamaswapRunning },
  capacity: 10,
  capacityHard: true,
  queue: 0,
};

/** Our own engine host. */
const portman: Kind = {
  name: 'portman',
  ports: [8091],
  tells: [{ path: '{v1}/models', is: ownedBy('labmesh') }],
  liveness: [{ path: '/health', read: loadingAt503 }],
  lists: [{ path: '{v1}/models', read: openaiList }],
  capacity: 1,
  capacityHard: true,
  queue: 0,
};

const openai: Kind = {
  name: 'openai',
  ports: [],
  tells: [],
  liveness: [
    { path: '{v1}/models' },
    // Some serve no list: any answer below 500 shows a server.
    { path: '/', read: (answer) => (answer.status === 404 ? { type: 'ok' } : undefined) },
  ],
  lists: [{ path: '{v1}/models', read: openaiList }],
  capacity: 32,
  capacityHard: false,
  queue: 0,
};

export const kinds: Readonly<Record<KindName, Kind>> = {
  ollama,
  vllm,
  sglang,
  llamaswap,
  portman,
  llamacpp,
  lmstudio,
  mistralrs,
  tgi,
  localai,
  openai,
};

/** All kinds, in order of preference. */
export const kindList: readonly Kind[] = Object.values(kinds);

/** Every port that some kind listens on by default. */
export const knownPorts: readonly number[] = [...new Set(kindNames.flatMap((name) => kinds[name].ports))];
