import type { EngineShape, EngineSimulator } from './engine-simulator.ts';

const created = 1_700_000_000;
const plain = 'text/plain; version=0.0.4; charset=utf-8';

/** Up to 0.5.3 the metric names begin with `sglang:`, after it with `sglang_`. */
function metrics(engine: EngineSimulator): string {
  const prefix = engine.options.metricNames === 'new' ? 'sglang_' : 'sglang:';
  const gauge = (name: string, value: number) =>
    `# HELP ${prefix}${name} .\n# TYPE ${prefix}${name} gauge\n` +
    `${prefix}${name}{engine_type="unified",model_name="${engine.models[0] ?? ''}",tp_rank="0"} ${value.toFixed(6)}\n`;
  return [
    gauge('num_running_reqs', engine.running),
    gauge('num_queue_reqs', engine.waiting),
    gauge('token_usage', engine.kvShare),
  ].join('');
}

/** SGLang 0.5; with old metric names it also has the old route names. */
export const sglang: EngineShape = {
  kind: 'sglang',
  models: ['meta-llama/Llama-3.1-8B-Instruct'],
  slots: 64,
  generating: ['/generate', '/health_generate'],
  route: (engine, { path }, reply) => {
    const isNew = engine.options.metricNames === 'new';
    const [model = ''] = engine.models;
    if (path === '/health') reply.whole(200, 'text/plain', '');
    else if (path === (isNew ? '/server_info' : '/get_server_info')) {
      reply.json(200, { version: isNew ? '0.5.5' : '0.4.9', model_path: model, max_running_requests: 64 });
    } else if (path === (isNew ? '/model_info' : '/get_model_info')) {
      reply.json(200, { model_path: model, tokenizer_path: model, is_generation: true });
    } else if (path === '/metrics') reply.whole(200, plain, metrics(engine));
    else if (path === '/v1/models') {
      const data = engine.models.map((id) => ({
        id,
        object: 'model',
        created,
        owned_by: 'sglang',
        root: id,
        parent: null,
        max_model_len: 131_072,
      }));
      reply.json(200, { object: 'list', data });
    } else return false;
    return true;
  },
  loading: (reply) => reply.whole(503, 'text/plain', ''),
  unknownModel: (reply, model) =>
    reply.json(404, {
      object: 'error',
      message: `The model '${model}' does not exist`,
      type: 'NotFoundError',
      param: null,
      code: 404,
    }),
};
