import type { EngineShape, EngineSimulator } from './engine-simulator.ts';

function entry(engine: EngineSimulator, key: string) {
  const config = { context_length: 8192, parallel: 4, flash_attention: true };
  return {
    type: key.includes('embed') ? 'embedding' : 'llm',
    publisher: 'qwen',
    key,
    display_name: key,
    quantization: { name: 'Q4_K_M', bits_per_weight: 4 },
    size_bytes: 2_497_281_120,
    params_string: '4B',
    loaded_instances: engine.loaded.has(key) ? [{ id: key, config }] : [],
    max_context_length: 32_768,
    format: 'gguf',
  };
}

/** LM Studio 0.4: it answers 200 with an `error` to routes that it does not have. */
export const lmstudio: EngineShape = {
  kind: 'lmstudio',
  models: ['qwen/qwen3-4b-2507', 'text-embedding-nomic-embed-text-v1.5'],
  slots: 4,
  generating: ['/api/v1/chat', '/api/v1/models/load', '/api/v0/chat/completions', '/v1/responses'],
  route: (engine, { method, path }, reply) => {
    if (path === '/api/v1/models') reply.json(200, { models: engine.models.map((key) => entry(engine, key)) });
    else if (path === '/v1/models') {
      const data = engine.models.map((id) => ({ id, object: 'model', owned_by: 'organization_owner' }));
      reply.json(200, { data, object: 'list' });
    } else if (method === 'GET') reply.json(200, { error: `Unexpected endpoint or method. (GET ${path})` });
    else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { error: 'Model is loading' }),
  unknownModel: (reply, model) =>
    reply.json(404, {
      error: {
        message: `Invalid model identifier "${model}".`,
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
    }),
};
