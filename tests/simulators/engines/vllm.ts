import type { EngineShape, EngineSimulator } from './engine-simulator.ts';

const created = 1_700_000_000;
const plain = 'text/plain; version=0.0.4; charset=utf-8';

/** Two engines, as with data parallelism: running and waiting are split, KV is the same in both. */
function metrics(engine: EngineSimulator): string {
  const kvName = engine.options.metricNames === 'new' ? 'vllm:kv_cache_usage_perc' : 'vllm:gpu_cache_usage_perc';
  const split = (value: number) => [Math.ceil(value / 2), Math.floor(value / 2)];
  const gauge = (name: string, help: string, values: readonly number[]) => {
    const model = engine.models[0] ?? '';
    const rows = values.map((value, at) => `${name}{engine="${at}",model_name="${model}"} ${value.toFixed(6)}\n`);
    return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${rows.join('')}`;
  };
  return [
    gauge('vllm:num_requests_running', 'Number of requests in model execution batches.', split(engine.running)),
    gauge('vllm:num_requests_waiting', 'Number of requests waiting to be processed.', split(engine.waiting)),
    gauge(kvName, 'KV-cache usage. 1 means 100 percent usage.', [engine.kvShare, engine.kvShare]),
  ].join('');
}

/** vLLM 0.11. */
export const vllm: EngineShape = {
  kind: 'vllm',
  models: ['Qwen/Qwen3-8B'],
  slots: 64,
  generating: ['/v1/responses', '/v1/messages'],
  route: (engine, { path }, reply) => {
    if (path === '/health' || path === '/ping') reply.whole(200, 'text/plain', '');
    else if (path === '/version') reply.json(200, { version: '0.11.0' });
    else if (path === '/metrics') reply.whole(200, plain, metrics(engine));
    else if (path === '/v1/models') {
      const data = engine.models.map((id) => ({
        id,
        object: 'model',
        created,
        owned_by: 'vllm',
        root: id,
        parent: null,
        max_model_len: 40_960,
        permission: [],
      }));
      reply.json(200, { object: 'list', data });
    } else return false;
    return true;
  },
  loading: (reply) => reply.whole(503, 'text/plain', ''),
  unknownModel: (reply, model) =>
    reply.json(404, {
      error: { message: `The model \`${model}\` does not exist.`, type: 'NotFoundError', param: null, code: 404 },
    }),
};
