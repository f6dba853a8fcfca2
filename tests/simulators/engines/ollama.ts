import type { EngineShape, EngineSimulator } from './engine-simulator.ts';

const modified = '2023-11-14T22:13:20.000000000Z';
const created = 1_700_000_000;
const details = {
  parent_model: '',
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '3.2B',
  quantization_level: 'Q4_K_M',
};

const tag = (name: string) => ({
  name,
  model: name,
  modified_at: modified,
  size: 2_019_393_189,
  digest: 'a80c4f17acd5',
  details,
});

function running(engine: EngineSimulator) {
  const expires_at = '2033-05-18T03:33:20Z';
  return [...engine.loaded].map((name) => ({
    ...tag(name),
    expires_at,
    size_vram: 2_019_393_189,
    context_length: 4096,
  }));
}

/** Ollama 0.12: no metrics, one request at once; the cloud model in its tags runs elsewhere. */
export const ollama: EngineShape = {
  kind: 'ollama',
  models: ['llama3.2:3b', 'nomic-embed-text:latest'],
  slots: 1,
  generating: ['/api/generate', '/api/chat', '/api/embed', '/api/embeddings'],
  route: (engine, { path }, reply) => {
    if (path === '/') reply.whole(200, 'text/plain; charset=utf-8', 'Ollama is running');
    else if (path === '/api/version') reply.json(200, { version: '0.12.6' });
    else if (path === '/api/tags') {
      const cloud = {
        ...tag('gpt-oss:120b-cloud'),
        size: 384,
        remote_model: 'gpt-oss:120b',
        remote_host: 'https://ollama.com:443',
      };
      reply.json(200, { models: [...engine.models.map(tag), cloud] });
    } else if (path === '/api/ps') reply.json(200, { models: running(engine) });
    else if (path === '/v1/models') {
      const data = engine.models.map((id) => ({ id, object: 'model', created, owned_by: 'library' }));
      reply.json(200, { object: 'list', data });
    } else return false;
    return true;
  },
  // Ollama has no loading state of its own: it says busy when its queue is full.
  loading: (reply) => reply.json(503, { error: 'server busy, please try again.  maximum pending requests exceeded' }),
  unknownModel: (reply, model) =>
    reply.json(404, {
      error: {
        message: `model "${model}" not found, try pulling it first`,
        type: 'api_error',
        param: null,
        code: null,
      },
    }),
};
