/**
 * The few HTTP calls that agents and nodes make (JT-3, CA-6, CA-7). labd is known by its CA: chain, pinned root and kind,
 * never by host name (CA-5). Before the pin matched, nothing but the public bundle is asked for. node:https and not fetch:
 * only there the check sees the whole chain that was sent.
 */
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { pinnedRoots } from '@labmesh/pki/pin';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { FleetError, type FleetErrorCode, fleetErrors } from '@labmesh/wire/fleet/fleet-errors';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';

const callMs = 30_000;
const usualAnswerBytesMax = 256 * 1024;
/** By this name labd shows its own certificate, and not the one for browsers. */
const serverName = 'labd';

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

/** labd's error as ours, with its texts. */
export function asError(status: number, text: string): FleetError {
  const parsed = errorSchema.safeParse(parseJson(text));
  if (!parsed.success) return new FleetError('INTERNAL', { message: `labd answered ${status}` });
  const { code, message, hint, retryAfterMs } = parsed.data.error;
  const known: FleetErrorCode = Object.hasOwn(fleetErrors, code) ? (code as FleetErrorCode) : 'INTERNAL';
  return new FleetError(known, {
    message,
    ...(hint !== undefined && { hint }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

type Ask = {
  url: string;
  path: string;
  tls: RequestOptions;
  body?: string | undefined;
  signal?: AbortSignal | undefined;
  answerBytesMax?: number | undefined;
  headers?: Record<string, string> | undefined;
};

/** One request over a connection of its own: a kept one would go on with an old certificate. @throws FleetError, system errors. */
function ask({ url, path, tls, body, signal, answerBytesMax = usualAnswerBytesMax, headers }: Ask): Promise<string> {
  const target = new URL(path, url);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      target,
      {
        ...tls,
        agent: false,
        minVersion: 'TLSv1.3',
        servername: serverName,
        method: body === undefined ? 'GET' : 'POST',
        signal: signal ?? AbortSignal.timeout(callMs),
        headers:
          body === undefined
            ? headers
            : { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > answerBytesMax)
            request.destroy(new FleetError('INTERNAL', { message: 'the answer of labd is too large' }));
          else parts.push(part);
        });
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(text);
          else reject(asError(status, text));
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** TLS to a labd whose roots are known; nobody else is talked to. */
export function labdTls(bundlePem: string, client?: ClientKey): RequestOptions {
  const check = serverIdentityCheck({ bundlePem, trustDomain: undefined });
  return {
    ca: bundlePem,
    minVersion: 'TLSv1.3',
    servername: serverName,
    checkServerIdentity: (host, seen) => check(host, seen),
    ...(client !== undefined && { key: client.privatePem, cert: client.chainPem }),
  };
}

/**
 * The roots behind `url` that match the pin (JT-6).
 * @throws FleetError UNAUTHENTICATED when none does: somebody else answers there.
 */
export async function fetchPinnedBundle(url: string, pins: string, signal?: AbortSignal): Promise<string> {
  const text = await ask({ url, path: '/ca/bundle', tls: { rejectUnauthorized: false }, signal });
  const roots = pinnedRoots(text, pins);
  if (roots === undefined) {
    throw new FleetError('UNAUTHENTICATED', {
      message: 'the CA that answers there does not have the pin; the token was not sent',
      hint: 'compare the pin with `labctl ca status`; something may stand between you and labd',
    });
  }
  return roots;
}

/** One call to a labd whose roots are known. @throws FleetError with labd's code, system errors for the network. */
export async function callLabd<S extends z.ZodType>(
  labd: TrustedLabd,
  call: {
    path: string;
    body?: unknown;
    output: S;
    client?: ClientKey;
    signal?: AbortSignal | undefined;
    answerBytesMax?: number;
    headers?: Record<string, string>;
  },
): Promise<z.output<S>> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const text = await ask({
    url: labd.url,
    path: call.path,
    tls: labdTls(labd.bundlePem, call.client),
    body,
    signal: call.signal,
    answerBytesMax: call.answerBytesMax,
    headers: call.headers,
  });
  return call.output.parse(JSON.parse(text));
}
