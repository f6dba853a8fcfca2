import { z } from 'zod';

export const kindNames = [
  'ollama',
  'vllm',
  'sglang',
  'llamacpp',
  'lmstudio',
  'mistralrs',
  'tgi',
  'localai',
  'llamaswap',
  'portman',
  'openai',
] as const;
export type KindName = (typeof kindNames)[number];

/** Waits of one request, milliseconds; 0 = off. */
export const timeoutsSchema = z.object({
  connectMs: z.number().int().min(0).default(3_000),
  queueMs: z.number().int().min(0).default(60_000),
  loadMs: z.number().int().min(0).default(300_000),
  ttftMs: z.number().int().min(0).default(120_000),
  interTokenMs: z.number().int().min(0).default(60_000),
  totalMs: z.number().int().min(0).default(1_800_000),
});
export type Timeouts = z.infer<typeof timeoutsSchema>;
export const defaultTimeouts: Timeouts = timeoutsSchema.parse({});

/** What an operator says of an endpoint, after parsing: decided values only. */
export type EndpointSpec = {
  /** Unique, 1–64 characters. */
  name: string;
  /** As written: it feeds the slug. */
  baseUrl: string;
  kind: KindName | 'auto';
  apiKey?: string;
  /** Sent with each request to the endpoint. */
  headers: Record<string, string>;
  /** Hard cap of requests in flight; 0 = the kind's own capacity. */
  maxConcurrent: number;
  modelsInclude: string[];
  modelsExclude: string[];
  /** Accounting label and slug part. */
  tenant: string;
  weight: number;
  timeouts: Timeouts;
  probeIntervalMs: number;
  origin: 'config' | 'discovered' | 'builtin';
};

/** Fills an EndpointSpec's defaults. */
export function endpointSpec(given: Pick<EndpointSpec, 'name' | 'baseUrl'> & Partial<EndpointSpec>): EndpointSpec {
  return {
    kind: 'auto',
    headers: {},
    maxConcurrent: 0,
    modelsInclude: [],
    modelsExclude: [],
    tenant: '',
    weight: 1,
    timeouts: defaultTimeouts,
    probeIntervalMs: 10_000,
    origin: 'config',
    ...given,
  };
}

export type EndpointState =
  | 'unknown'
  | 'healthy'
  | 'busy'
  | 'warming'
  | 'rate_limited'
  | 'unhealthy'
  | 'config_error'
  | 'draining';

export type Model = {
  id: string;
  created?: number;
  ownedBy?: string;
  contextLength?: number;
  /** In memory now; undefined = the engine does not say. */
  loaded?: boolean;
};

/** What the engine said of its load, once. */
export type Gauges = {
  running?: number;
  waiting?: number;
  /** Share of the KV cache in use, 0–1. */
  kv?: number;
  /** Our own requests in flight when it was read. */
  ownAtSample: number;
  /** Clock.now() of the reading. */
  at: number;
};

/** Where bytes go: an origin and the path prefix of the OpenAI routes there, such as `/v1`. */
export type Target = { host: string; port: number; tls: boolean; prefix: string };

/** The state of one endpoint. Only the registry writes it, but for `own`, which admission raises and lowers. */
export class Endpoint {
  readonly spec: EndpointSpec;
  target: Target;
  kind: KindName = 'openai';
  version: string | undefined;
  state: EndpointState = 'unknown';
  /** Why the state is what it is, for the operator only: may hold addresses. */
  reason: string | undefined;
  models: ReadonlyMap<string, Model> = new Map();
  /** Requests of ours in flight. */
  own = 0;
  gauges: Gauges | undefined;
  capacity = 32;
  /** A hard capacity is never passed; a soft one only scales the load. */
  capacityHard = false;
  consecutiveFailures = 0;
  consecutiveSuccesses = 0;
  lastChecked = 0;
  lastSuccess = 0;
  /** Clock.now() until which a rate_limited or config_error state lasts. */
  pausedUntil = 0;
  /** The engine answers 400 to stream_options: it is not asked again. */
  refusesStreamOptions = false;

  constructor(spec: EndpointSpec, target: Target) {
    this.spec = spec;
    this.target = target;
  }
}
