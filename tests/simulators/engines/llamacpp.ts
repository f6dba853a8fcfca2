import type { EngineShape, EngineSimulator } from './engine-simulator.ts';

const created = 1_700_000_000;
const plain = 'text/plain; version=0.0.4';

function metrics(engine: EngineSimulator): string {
  const gauge = (name: string, value: number) =>
    `# HELP llamacpp:${name} .\n# TYPE llamacpp:${name} gauge\nllamacpp:${name} ${value}\n`;
  return gauge('requests_processing', engine.running) + gauge('requests_deferred', engine.waiting);
}

const slotList = (engine: EngineSimulator) =>
  Array.from({ length: engine.slots.size }, (_, id) => ({
    id,
    id_task: -1,
    n_ctx: 4096,
    speculative: false,
    is_processing: id < engine.running,
  }));

/** llama-server with `--metrics`; with old metric names it was started without and has only /slots. */
export const llamacpp: EngineShape = {
  kind: 'llamacpp',
  models: ['qwen2.5-0.5b-instruct-q4_k_m.gguf'],
  slots: 4,
  generating: ['/completion', '/completions', '/embedding', '/infill', '/chat/completions', '/v1/messages'],
  route: (engine, { path }, reply) => {
    if (path === '/health') reply.json(200, { status: 'ok' });
    else if (path === '/props') {
      const default_generation_settings = { id: 0, n_ctx: 4096, is_processing: false };
      const total_slots = engine.slots.size;
      reply.json(200, {
        default_generation_settings,
        total_slots,
        model_path: engine.models[0],
        build_info: 'b6700-1f2e3d4c',
      });
    } else if (path === '/slots') reply.json(200, slotList(engine));
    else if (path === '/metrics' && engine.options.metricNames === 'new') reply.whole(200, plain, metrics(engine));
    else if (path === '/metrics') {
      const message = 'This server does not support metrics endpoint. Start it with `--metrics`';
      reply.json(501, { error: { code: 501, message, type: 'not_supported_error' } });
    } else if (path === '/v1/models' || path === '/models') {
      const meta = {
        vocab_type: 2,
        n_vocab: 151_936,
        n_ctx_train: 32_768,
        n_embd: 896,
        n_params: 494_032_768,
        size: 391_290_368,
      };
      const data = engine.models.map((id) => ({ id, object: 'model', created, owned_by: 'llamacpp', meta }));
      const models = engine.models.map((name) => ({ name, model: name, type: 'model', capabilities: ['completion'] }));
      reply.json(200, { models, object: 'list', data });
    } else return false;
    return true;
  },
  loading: (reply) => reply.json(503, { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } }),
  unknownModel: (reply, model) =>
    reply.json(404, { error: { code: 404, message: `model '${model}' not found`, type: 'not_found_error' } }),
};
