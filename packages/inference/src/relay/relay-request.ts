import type { Clock } from '@labmesh/kit/clock';
import type { Deadlines } from '@labmesh/kit/deadlines';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { ErrorCode } from '@labmesh/wire/errors';
import type { Admission, AdmissionAsk, AdmissionTurn } from '../choose/admission.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import type { Registry } from '../watch/registry.ts';
import type { ScannedBody } from './scan-body.ts';
import type { Usage } from './usage.ts';

export type RelayLimits = {
  attemptsMax: number;
  /** Answers that are not streams, bytes. */
  responseBytesMax: number;
  /** A stream silent for this long gets status 200 and a comment, then one each `keepaliveEveryMs`. */
  keepaliveAfterMs: number;
  keepaliveEveryMs: number;
};
export const relayLimits: RelayLimits = {
  attemptsMax: 3,
  responseBytesMax: 64 * 1024 * 1024,
  keepaliveAfterMs: 10_000,
  keepaliveEveryMs: 15_000,
};

export type RelayRequest = {
  exchange: Exchange;
  body: ScannedBody;
  /** Below the endpoint's prefix: `/chat/completions`. */
  path: string;
  /** The engine's id of the model: what candidates list, what the engine is asked for. */
  model: string;
  candidates: () => readonly Endpoint[];
  /** Requests with one queue name wait in one line: the name asked for, since two names may mean other endpoints. */
  queue: string;
  /** Whose turn it is there; asked only when it must wait. */
  turn?: (() => AdmissionTurn) | undefined;
  /** How to choose among the candidates; absent = as usual. */
  routing?: AdmissionAsk['routing'];
  /** What a routing by session keeps together; asked by it alone. */
  session?: AdmissionAsk['session'];
  requestId: string;
  /** A header that tells which endpoint answers, in place of any that the engine calls so; absent = nobody is told. */
  mark?: ((endpoint: Endpoint) => readonly [name: string, value: string]) | undefined;
  /** A route whose streams report usage when `stream_options.include_usage` asks for it. */
  hasStreamUsage: boolean;
};

export type RelayOutcome = {
  /** HTTP status as the client saw it; 499 when it left. */
  status: number;
  code: ErrorCode | undefined;
  /** For the log: what went wrong, in the endpoint's own words. */
  detail: string | undefined;
  endpoint: Endpoint | undefined;
  attempts: number;
  queueMs: number;
  /** Clock ms from the request's arrival to the first answer byte. */
  ttftMs: number | undefined;
  usage: Usage | undefined;
};

/** What a request needs of the relay it runs in. */
export interface RelayHost {
  readonly pool: HttpPool;
  readonly registry: Registry;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly limits: RelayLimits;
  readonly deadlines: Deadlines;
  /** Headers of engines that may go on; a node's tunnel lets fewer through. */
  readonly isReturned: (name: string) => boolean;
}
