/**
 * The few HTTP calls an agent makes (JT-3, CA-6, CA-7). labd is known by its CA: chain, pinned root and kind, never by
 * host name (CA-5). Before the pin matched, nothing but the public bundle is asked for.
 */
import { pinnedRoots } from '@labmesh/pki/pin';
import { type SeenCertificate, serverIdentityCheck } from '@labmesh/pki/server-identity';
import { FleetError, type FleetErrorCode, fleetErrors } from '@labmesh/wire/fleet/fleet-errors';
import { z } from 'zod';

const callMs = 30_000;
const answerBytesMax = 256 * 1024;

export type TrustedLabd = { url: string; bundlePem: string };
export type ClientKey = { privatePem: string; chainPem: string };

const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    retryAfterMs: z.number().optional(),
  }),
});

async function limitedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > answerBytesMax) throw new FleetError('INTERNAL', { message: 'the answer of labd is too large' });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** labd's error as ours, with its texts. */
function asError(status: number, text: string): FleetError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const parsed = errorSchema.safeParse(body);
  if (!parsed.success) return new FleetError('INTERNAL', { message: `labd answered ${status}` });
  const { code, message, hint, retryAfterMs } = parsed.data.error;
  const known: FleetErrorCode = Object.hasOwn(fleetErrors, code) ? (code as FleetErrorCode) : 'INTERNAL';
  return new FleetError(known, {
    message,
    ...(hint !== undefined && { hint }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/**
 * The roots behind `url` that match the pin (JT-6).
 * @throws FleetError UNAUTHENTICATED when none does: somebody else answers there.
 */
export async function fetchPinnedBundle(url: string, pins: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(new URL('/ca/bundle', url), {
    tls: { rejectUnauthorized: false },
    redirect: 'error',
    signal: signal ?? AbortSignal.timeout(callMs),
  });
  const text = await limitedText(response);
  if (!response.ok) throw asError(response.status, text);
  const roots = pinnedRoots(text, pins);
  if (roots === undefined) {
    throw new FleetError('UNAUTHENTICATED', {
      message: 'the CA that answers there does not have the pin; the token was not sent',
      hint: 'compare the pin with `labctl ca status`; something may stand between you and labd',
    });
  }
  return roots;
}

/** One call to a labd whose roots are known. @throws FleetError with labd's code, or TypeError for the network. */
export async function callLabd<S extends z.ZodType>(
  labd: TrustedLabd,
  call: { path: string; body?: unknown; output: S; client?: ClientKey; signal?: AbortSignal },
): Promise<z.output<S>> {
  const check = serverIdentityCheck({ bundlePem: labd.bundlePem, trustDomain: undefined });
  const response = await fetch(new URL(call.path, labd.url), {
    method: call.body === undefined ? 'GET' : 'POST',
    ...(call.body !== undefined && {
      body: JSON.stringify(call.body),
      headers: { 'content-type': 'application/json' },
    }),
    tls: {
      ca: labd.bundlePem,
      checkServerIdentity: (host: string, seen: unknown) => check(host, seen as SeenCertificate),
      ...(call.client !== undefined && { key: call.client.privatePem, cert: call.client.chainPem }),
    },
    // A kept connection would go on with an old client certificate.
    keepalive: false,
    redirect: 'error',
    signal: call.signal ?? AbortSignal.timeout(callMs),
  } as RequestInit);
  const text = await limitedText(response);
  if (!response.ok) throw asError(response.status, text);
  return call.output.parse(JSON.parse(text));
}

/** The bundle of a labd that is known already: a rotation has put a new root beside the old one. */
export async function fetchBundle(labd: TrustedLabd, signal?: AbortSignal): Promise<string> {
  const check = serverIdentityCheck({ bundlePem: labd.bundlePem, trustDomain: undefined });
  const response = await fetch(new URL('/ca/bundle', labd.url), {
    tls: {
      ca: labd.bundlePem,
      checkServerIdentity: (host: string, seen: unknown) => check(host, seen as SeenCertificate),
    },
    keepalive: false,
    redirect: 'error',
    signal: signal ?? AbortSignal.timeout(callMs),
  } as RequestInit);
  const text = await limitedText(response);
  if (!response.ok) throw asError(response.status, text);
  return text;
}
