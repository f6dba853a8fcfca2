/**
 * One OTLP/HTTP collector (OTLP 1.x): POST to `<url>/v1/logs` as JSON. Its answers, by what they mean for the sender:
 *
 *     2xx                 taken; what `partialSuccess` rejects is lost by the protocol and counted
 *     400, 413, 422       refused: the same request will never be taken
 *     anything else       away, a redirect and a wrong token included: again later
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';

export type CollectorOptions = {
  /** The whole address of the logs' endpoint. */
  url: string;
  headers: Readonly<Record<string, string>>;
  /** PEM. */
  ca?: string;
  timeoutMs?: number;
};

export type CollectorAnswer =
  | { status: 'taken'; rejectedLines: number }
  | { status: 'refused' }
  /** `mayBeContent`: it is there, and what was sent may be why it did not take it. */
  | { status: 'away'; why: string; retryAfterMs: number | undefined; mayBeContent?: true };

const timeoutMsUsual = 10_000;
/** What is read of an answer; more says nothing to us, and could be endless. */
const answerBytesMax = 64 * 1024;
const retryAfterMsMax = 60_000;
/** Not for what was sent: no token, no such address, too much of it all. */
const refusesAll: ReadonlySet<number> = new Set([401, 404, 429]);
const refusals: ReadonlySet<number> = new Set([400, 413, 422]);

/** Protobuf's JSON writes 64-bit numbers as texts. */
const answerSchema = z.object({
  partialSuccess: z.object({ rejectedLogRecords: z.coerce.number().int().min(0).catch(0).default(0) }).optional(),
});

export class OtlpCollector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async post(body: string, signal: AbortSignal): Promise<CollectorAnswer> {
    const { url, headers, ca, timeoutMs = timeoutMsUsual } = this.#options;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { ...headers, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        ...(ca !== undefined && { tls: { ca } }),
      });
      const text = await headOf(answer);
      if (answer.ok) return { status: 'taken', rejectedLines: rejected(text) };
      if (refusals.has(answer.status)) return { status: 'refused' };
      const away = { status: 'away', why: `it answered ${answer.status}`, retryAfterMs: retryAfterMs(answer) } as const;
      return refusesAll.has(answer.status) ? away : { ...away, mayBeContent: true };
    } catch (error) {
      // A message may hold the address; the name of the error says enough.
      const { name, code } = error as { name?: string; code?: unknown };
      const why = typeof code === 'string' ? code : (name ?? 'unknown');
      const away = { status: 'away', why, retryAfterMs: undefined } as const;
      return name === 'TimeoutError' ? { ...away, mayBeContent: true } : away;
    }
  }
}

async function headOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body as ReadableStream<Uint8Array>) {
    parts.push(part);
    bytes += part.length;
    // Leaving the loop ends the stream.
    if (bytes >= answerBytesMax) break;
  }
  return Buffer.concat(parts).toString('utf8', 0, answerBytesMax);
}

const rejected = (text: string) =>
  answerSchema.safeParse(parseJson(text)).data?.partialSuccess?.rejectedLogRecords ?? 0;

function retryAfterMs({ headers }: Response): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1_000, retryAfterMsMax) : undefined;
}
