import type { EngineFaults } from './engine-faults.ts';
import { listenHttp, type HttpListener, type SimReply, type SimRequest } from './http-listener.ts';
import { answerOpenai } from './openai-answers.ts';
import { Slots } from './slots.ts';

export type EngineRequest = { method: string; path: string; headers: Record<string, string>; body: string };

/** What is particular to a kind. */
export type EngineShape = {
  kind: string;
  models: readonly string[];
  slots: number;
  /** Paths that generate or load beside the OpenAI ones: a probe must never touch them. */
  generating: readonly string[];
  /** Answers the kind's own routes; false = not one of them. */
  route: (engine: EngineSimulator, request: SimRequest, reply: SimReply) => boolean;
  /** What the engine says while it loads, and for a model that it does not have. */
  loading: (reply: SimReply, request: SimRequest) => void;
  unknownModel: (reply: SimReply, model: string) => void;
};

export type EngineOptions = {
  models?: readonly string[];
  /** 0 = any free one. */
  port?: number;
  /** Tokens of each answer. */
  tokens?: number;
  tokenDelayMs?: number;
  /** Silence before the first byte. */
  prefillMs?: number;
  /** Requests served at once; more wait first come, first served. */
  slots?: number;
  /** Spelling of metric names, for kinds that changed theirs. */
  metricNames?: 'new' | 'old';
  /** Models in memory, for kinds that tell; default: the first one. */
  loaded?: readonly string[];
  /** Refuses requests without this bearer key under /v1. */
  apiKey?: string;
  faults?: EngineFaults;
};

const openaiGenerating = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];

/** One simulated engine on a loopback port: answers as the real one does and records what it is asked. */
export class EngineSimulator implements AsyncDisposable {
  readonly kind: string;
  readonly shape: EngineShape;
  readonly requests: EngineRequest[] = [];
  models: readonly string[];
  loaded: Set<string>;
  faults: EngineFaults;
  /** Answers that came to their end. */
  generated = 0;
  /** Generating requests whose client left before the end. */
  aborted = 0;
  /** Generating requests without X-Request-Id: no client of the gateway sends those, so a probe did. */
  probeGenerations = 0;
  /** Share of the KV cache shown; undefined = busy slots ÷ all. */
  kv: number | undefined;
  /** Work that others brought, added to the gauges. */
  extraRunning = 0;
  extraWaiting = 0;
  readonly slots: Slots;
  readonly options: Required<Pick<EngineOptions, 'tokens' | 'tokenDelayMs' | 'prefillMs' | 'metricNames'>>;
  readonly #apiKey: string | undefined;
  #listener: HttpListener | undefined;
  readonly port: number;

  constructor(shape: EngineShape, options: EngineOptions) {
    this.kind = shape.kind;
    this.shape = shape;
    this.models = options.models ?? shape.models;
    this.loaded = new Set(options.loaded ?? this.models.slice(0, 1));
    this.faults = options.faults ?? {};
    this.slots = new Slots(options.slots ?? shape.slots);
    const { tokens = 8, tokenDelayMs = 0, prefillMs = 0, metricNames = 'new' } = options;
    this.options = { tokens, tokenDelayMs, prefillMs, metricNames };
    this.#apiKey = options.apiKey;
    this.#listener = this.#listen(options.port ?? 0);
    this.port = this.#listener.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get running(): number {
    return this.slots.running + this.extraRunning;
  }
  get waiting(): number {
    return this.slots.waiting + this.extraWaiting;
  }
  get kvShare(): number {
    return this.kv ?? Math.min(1, this.running / this.slots.size);
  }

  /** Dies: stops listening and cuts every connection. */
  kill(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  /** Listens on the same port again. */
  revive(): void {
    this.#listener ??= this.#listen(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
  }

  #listen(port: number): HttpListener {
    return listenHttp(port, (request, reply) => this.#answer(request, reply));
  }

  #answer(request: SimRequest, reply: SimReply): void {
    const { method, path, headers, body } = request;
    this.requests.push({ method, path, headers, body });
    const generates = openaiGenerating.includes(path) || this.shape.generating.includes(path);
    if (generates && headers['x-request-id'] === undefined) this.probeGenerations += 1;
    if (this.#faulty(request, reply, generates)) return;
    if (
      this.#apiKey !== undefined &&
      path.startsWith('/v1/') &&
      headers['authorization'] !== `Bearer ${this.#apiKey}`
    ) {
      return reply.json(401, { error: { message: 'Unauthorized', type: 'invalid_request_error', code: 401 } });
    }
    if (this.shape.route(this, request, reply)) return;
    if (openaiGenerating.includes(path) && method === 'POST') return void answerOpenai(this, request, reply);
    reply.json(404, { detail: 'Not Found' });
  }

  /** Plays the fault that is switched on; false = none applies. */
  #faulty(request: SimRequest, reply: SimReply, generates: boolean): boolean {
    const { faults } = this;
    if (faults.hangBeforeHead === true || (faults.hangBeforeHead === 'generate' && generates)) {
      if (generates) reply.onClose(() => (this.aborted += 1));
      return true;
    }
    if (faults.garbageHead === true) {
      reply.raw('\u0000\u0001 no HTTP at all\r\n\r\n');
      reply.cut();
      return true;
    }
    if (faults.cutBeforeHead === true && generates) {
      reply.cut();
      return true;
    }
    const status = faults.status ?? (generates ? faults.generateStatus : undefined);
    if (status !== undefined) {
      const retry: Record<string, string> = faults.retryAfter === undefined ? {} : { 'retry-after': faults.retryAfter };
      reply.whole(status, 'application/json', faults.body ?? '{"error":{"message":"simulated"}}', retry);
      return true;
    }
    if (faults.loading !== true) return false;
    this.shape.loading(reply, request);
    return true;
  }
}
