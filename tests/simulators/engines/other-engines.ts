import type { EngineShape, EngineSimulator } from './engine-simulator.ts';
import type { SimReply } from './http-listener.ts';

/** Engines with few routes of their own. */
const created = 1_700_000_000;
const plain = 'text/plain; version=0.0.4';

const list = (engine: EngineSimulator, rest: Record<string, unknown>) => ({
  object: 'list',
  data: engine.models.map((id) => ({ id, object: 'model', created, ...rest })),
});

const openaiError = (status: number, code: string) => (reply: SimReply) =>
  reply.json(status, { error: { message: code, type: 'invalid_request_error', param: null, code } });

export const tgi: EngineShape = {
  kind: 'tgi',
  models: ['HuggingFaceH4/zephyr-7b-beta'],
  slots: 32,
  generating: ['/generate', '/generate_stream'],
  route: (engine, { path }, reply) => {
    const [model_id = ''] = engine.models;
    if (path === '/health') reply.whole(200, 'text/plain', '');
    else if (path === '/info') {
      reply.json(200, {
        model_id,
        max_concurrent_requests: 128,
        max_input_tokens: 4095,
        max_total_tokens: 4096,
        version: '3.3.4',
        router: 'text-generation-router',
      });
    } else if (path === '/v1/models') reply.json(200, list(engine, { owned_by: model_id }));
    else if (path === '/metrics') {
      reply.whole(200, plain, `tgi_batch_current_size ${engine.running}\ntgi_queue_size ${engine.waiting}\n`);
    } else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { error: 'unhealthy', error_type: 'healthcheck' }),
  unknownModel: openaiError(404, 'model_not_found'),
};

export const mistralrs: EngineShape = {
  kind: 'mistralrs',
  models: ['microsoft/Phi-4-mini-instruct'],
  slots: 16,
  generating: [],
  route: (engine, { path }, reply) => {
    if (path === '/health') reply.whole(200, 'text/plain; charset=utf-8', 'OK');
    else if (path === '/v1/system/info')
      reply.json(200, { cpu: { brand: 'x' }, memory: { total_bytes: 1 }, build: { cuda: false } });
    else if (path === '/v1/models') reply.json(200, list(engine, { owned_by: 'local', status: 'loaded' }));
    else if (path === '/metrics')
      reply.whole(200, plain, `http_requests_in_flight ${engine.running + engine.waiting}\n`);
    else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { message: 'Model is loading' }),
  unknownModel: openaiError(404, 'model_not_found'),
};

export const localai: EngineShape = {
  kind: 'localai',
  models: ['gemma-3-4b-it'],
  slots: 32,
  generating: [],
  route: (engine, { path }, reply) => {
    if (path === '/healthz' || path === '/readyz') reply.whole(200, 'text/plain', 'OK');
    else if (path === '/version') reply.json(200, { version: 'v3.6.0' });
    else if (path === '/v1/models') reply.json(200, list(engine, {}));
    else if (path === '/v1/models/capabilities') reply.json(200, list(engine, { capabilities: ['FLAG_CHAT'] }));
    else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { error: { message: 'model is loading', code: 503 } }),
  unknownModel: openaiError(404, 'model_not_found'),
};

export const llamaswap: EngineShape = {
  kind: 'llamaswap',
  models: ['qwen3-8b', 'gemma-3-27b'],
  slots: 10,
  generating: ['/upstream/qwen3-8b'],
  route: (engine, { path }, reply) => {
    if (path === '/health') reply.whole(200, 'text/plain', 'OK');
    else if (path === '/running')
      reply.json(200, { running: [...engine.loaded].map((model) => ({ model, state: 'ready' })) });
    else if (path === '/v1/models') reply.json(200, list(engine, { owned_by: 'llama-swap' }));
    else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { error: 'loading' }),
  unknownModel: openaiError(400, 'could not find real modelID'),
};

/** Any server with the OpenAI routes and nothing else. */
export const openai: EngineShape = {
  kind: 'openai',
  models: ['some-model'],
  slots: 32,
  generating: [],
  route: (engine, { path }, reply) => {
    if (path !== '/v1/models') return false;
    reply.json(200, list(engine, { owned_by: 'somebody' }));
    return true;
  },
  loading: (reply) => reply.json(503, { error: { message: 'model is loading' } }),
  unknownModel: openaiError(404, 'model_not_found'),
};
