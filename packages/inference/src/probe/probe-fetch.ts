import type { Target } from '../registry/endpoint.ts';

export type ProbeRequest = {
  /** Absolute path at the target's origin; the target's prefix is not added. */
  path: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  /** Whole exchange, connect to last body byte. */
  timeoutMs: number;
  /** A larger body rejects with code BODY_TOO_LARGE. */
  bytesMax: number;
  tlsCa?: string;
};

export type ProbeResponse = { status: number; header(name: string): string | undefined; body: Uint8Array };

/**
 * How the registry reaches an engine. Redirects are answers like any other. Rejects when there is no answer:
 * `error.code` is ECONNREFUSED, ECONNRESET, ETIMEDOUT, BODY_TOO_LARGE or unset.
 */
export type ProbeFetch = (target: Target, request: ProbeRequest) => Promise<ProbeResponse>;

/** Why there was no usable answer. */
export type FailureReason = 'connect' | 'reset' | 'invalid' | 'timeout';

const resetCodes = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const timeoutCodes = new Set(['ETIMEDOUT', 'TIMEOUT', 'ABORT_ERR', 'UND_ERR_CONNECT_TIMEOUT']);
const connectCodes = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECT',
]);

const codeOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
};

/** Sorts an error of a ProbeFetch. An unknown one counts as invalid: something answered, but not HTTP as we know it. */
export function failureReason(error: unknown): FailureReason {
  const code = codeOf(error);
  if (connectCodes.has(code)) return 'connect';
  if (resetCodes.has(code)) return 'reset';
  if (timeoutCodes.has(code) || (error instanceof Error && error.name === 'TimeoutError')) return 'timeout';
  return 'invalid';
}

/** One line for the operator: it may hold addresses. */
export function failureDetail(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  return (code !== '' && !text.includes(code) ? `${code} ${text}` : text).slice(0, 200);
}
