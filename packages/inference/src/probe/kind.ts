import type { KindName, Model } from '../registry/endpoint.ts';
import type { Seen } from './seen.ts';

/** An answer, decoded: text always, json when it is JSON. */
export type Answer = { status: number; text: string; json: unknown; retryAfterS: number | undefined };

/**
 * A path at the endpoint: `{v1}/models` is below the OpenAI prefix, anything else below the engine's root.
 * All are GETs that neither generate nor load a model (gateway spec I-3).
 */
export type PathTemplate = `{v1}/${string}` | `/${string}`;

/** An entry of a model list as the engine wrote it; the id is checked later. */
export type ListedModel = Omit<Model, 'id'> & { id: unknown };

/** Load as an engine tells it; what it does not tell is absent. */
export type GaugeReading = { running?: number; waiting?: number; kv?: number };

export type Facts = {
  version?: string | undefined;
  /** Of every model that does not say its own. */
  contextLength?: number | undefined;
  /** Requests the engine serves at once. */
  capacity?: number | undefined;
};

export type Kind = {
  name: KindName;
  /** Where this engine listens unless told otherwise; the first one gives the plain endpoint name. */
  ports: readonly number[];
  /** Any of these tells the kind; none = never told by itself. */
  tells: ReadonlyArray<{ path: PathTemplate; is: (answer: Answer) => boolean }>;
  /** Asked in order while a route is absent (404, 405). `read` overrules the common reading of a status. */
  liveness: ReadonlyArray<{ path: PathTemplate; read?: (answer: Answer) => Seen | undefined }>;
  /** Alternatives: the first well-formed list counts. */
  lists: ReadonlyArray<{ path: PathTemplate; read: (json: unknown) => readonly ListedModel[] | undefined }>;
  /** Ids in memory now, where the list itself does not say. */
  warm?: { path: PathTemplate; read: (json: unknown) => ReadonlySet<string> | undefined };
  /** Alternatives. */
  facts?: ReadonlyArray<{ path: PathTemplate; read: (json: unknown) => Facts | undefined }>;
  /** Prometheus gauges: spellings by age, the first one present counts. */
  metrics?: { path: PathTemplate; running: readonly string[]; waiting: readonly string[]; kv: readonly string[] };
  /** Gauges as JSON; they fill what `metrics` leaves open. */
  jsonGauges?: ReadonlyArray<{ path: PathTemplate; read: (json: unknown) => GaugeReading | undefined }>;
  capacity: number;
  capacityHard: boolean;
  /** Requests above a hard capacity that may wait inside the engine, so that it never idles between two. */
  queue: number;
};
