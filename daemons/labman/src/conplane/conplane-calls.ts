/**
 * The two calls of a node (network plane N3, N5). With a pinned CA the Conplane is known by it, and the token is not sent
 * before the pin matched; without one the system's roots decide.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { asError, callLabd, fetchPinnedBundle } from '@labmesh/link/calls/labd-calls';
import {
  nodeHeartbeatAnswerSchema,
  type NodeHeartbeatAnswer,
  type NodeHeartbeatRequest,
  nodeRegisterAnswerSchema,
  type NodeRegisterAnswer,
  type NodeRegisterRequest,
} from '@labmesh/wire/node';
import type { z } from 'zod';
import { type ControlPlaneConfig, nodeToken } from '../config/read-control-plane.ts';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { saidText } from './said-text.ts';

/** An answer may hold the hub's Rosenpass key in base64. */
const answerBytesMax = 1024 * 1024;
const callMs = 30_000;

export type ConplaneCallsOptions = Pick<ControlPlaneConfig, 'url' | 'caPin' | 'token'>;

export class ConplaneCalls {
  readonly #options: ConplaneCallsOptions;
  /** Roots that matched the pin; fetched again when the chain no longer ends there. */
  #bundlePem: string | undefined;

  constructor(options: ConplaneCallsOptions) {
    this.#options = options;
  }

  /** @throws FleetError with the Conplane's code, system errors for the network. */
  register(request: Omit<NodeRegisterRequest, 'token'>, signal: AbortSignal): Promise<NodeRegisterAnswer> {
    const body = { token: nodeToken(this.#options), ...request };
    return this.#call('nodes/register', body, nodeRegisterAnswerSchema, signal).catch(plainly);
  }

  /** @throws as `register` */
  heartbeat(request: NodeHeartbeatRequest, signal: AbortSignal): Promise<NodeHeartbeatAnswer> {
    return this.#call('nodes/heartbeat', request, nodeHeartbeatAnswerSchema, signal).catch(plainly);
  }

  async #call<S extends z.ZodType>(path: string, body: unknown, output: S, stopped: AbortSignal): Promise<z.output<S>> {
    const { url, caPin } = this.#options;
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(callMs)]);
    const target = `${url.replace(/\/$/, '')}/${path}`;
    const bearer = { authorization: `Bearer ${nodeToken(this.#options)}` };
    if (caPin === undefined) return this.#callPlainly(target, body, output, signal, bearer);
    this.#bundlePem ??= await fetchPinnedBundle(url, caPin, signal);
    const call = { path: new URL(target).pathname, body, output, signal, answerBytesMax, headers: bearer };
    try {
      return await callLabd({ url: target, bundlePem: this.#bundlePem }, call);
    } catch (error) {
      // The CA may have been rotated: the pin decides again.
      if (!(error instanceof Error && 'status' in error)) this.#bundlePem = undefined;
      throw error;
    }
  }

  async #callPlainly<S extends z.ZodType>(
    target: string,
    body: unknown,
    output: S,
    signal: AbortSignal,
    bearer: Record<string, string>,
  ): Promise<z.output<S>> {
    const headers = { ...bearer, 'content-type': 'application/json' };
    const response = await fetch(target, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal,
      redirect: 'error',
    });
    const text = await readBounded(response, answerBytesMax);
    if (!response.ok) throw asError(response.status, text);
    return output.parse(parseJson(text));
  }
}

/** The error with the Conplane's own words made fit for a terminal. @throws it */
function plainly(error: unknown): never {
  if (!(error instanceof FleetError)) throw error;
  const { code, message, hint, retryAfterMs } = error;
  const said = { message: saidText(message), ...(hint !== undefined && { hint: saidText(hint) }) };
  throw new FleetError(code, { ...said, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** @throws Error when the answer is longer */
async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > bytesMax) throw new Error(`the answer of the Conplane is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
