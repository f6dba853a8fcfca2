/** Body and query of a request as their schemas say, with the first fault named (AP-4, AP-6). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { z } from 'zod';

const dotted = (path: readonly PropertyKey[]): string => path.map(String).join('.');

/** @throws FleetError VALIDATION_FAILED with the field. */
export function parseInput<S extends z.ZodType>(schema: S, raw: unknown): z.output<S> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = dotted([...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])]);
  const why = unknown === undefined ? (issue?.message ?? 'is not valid') : 'is not known';
  throw new FleetError('VALIDATION_FAILED', {
    message: field === '' ? why : `${field}: ${why}`,
    ...(field !== '' && { field }),
  });
}

const bodyMs = 30_000;

/** The parts of a body as they come. @throws FleetError VALIDATION_FAILED when they take longer than `ms` in all */
async function* partsOf(body: ReadableStream<Uint8Array>, ms: number): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => undefined);
  const tooLate = new FleetError('VALIDATION_FAILED', { message: `the body did not come within ${ms / 1000} s` });
  const timer = setTimeout(() => late.reject(tooLate), ms);
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    void reader.cancel().catch(() => undefined);
  }
}

/**
 * Reads at most `bytesMax` for at most `ms`.
 * @throws FleetError PAYLOAD_TOO_LARGE, VALIDATION_FAILED for a body that breaks off or does not come
 */
async function readBytes(request: Request, bytesMax: number, ms: number): Promise<Uint8Array> {
  const tooLarge = () => new FleetError('PAYLOAD_TOO_LARGE', { message: `the body is larger than ${bytesMax} bytes` });
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of request.body === null ? [] : partsOf(request.body, ms)) {
      length += part.length;
      if (length > bytesMax) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof FleetError) throw error;
    // The client left in the middle: nobody hears it, and it is no fault of ours.
    throw new FleetError('VALIDATION_FAILED', { message: 'the body ended too early' });
  }
  return Buffer.concat(parts);
}

/** PostgreSQL takes no NUL in a text: it would be refused there, as a fault of ours. */
function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, item]) => key.includes('\0') || holdsNul(item));
}

/** The JSON body, which comes within 30 s (AP-4); an empty one is `{}`. @throws as `readBytes`, VALIDATION_FAILED. */
export async function readJsonBody(request: Request, bytesMax: number, ms = bodyMs): Promise<unknown> {
  const bytes = await readBytes(request, bytesMax, ms);
  if (bytes.length === 0) return {};
  // Forms and plain text are what a page of another origin can send without asking.
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? '')) {
    throw new FleetError('VALIDATION_FAILED', { message: 'the body must be application/json' });
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const body = JSON.parse(text) as unknown;
    if (!text.includes(String.raw`\u0000`) || !holdsNul(body)) return body;
  } catch {
    throw new FleetError('VALIDATION_FAILED', { message: 'the body is not valid JSON' });
  }
  throw new FleetError('VALIDATION_FAILED', { message: 'the body holds a NUL character' });
}

/** The query as an object; a key that comes twice is refused. @throws FleetError VALIDATION_FAILED. */
export function readQuery(url: URL): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of url.searchParams) {
    if (Object.hasOwn(found, key))
      throw new FleetError('VALIDATION_FAILED', { field: key, message: `${key} is given twice` });
    if (key.includes('\0') || value.includes('\0'))
      throw new FleetError('VALIDATION_FAILED', { message: 'the query holds a NUL character' });
    Object.defineProperty(found, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return found;
}

const strictQueries = new WeakMap<z.ZodType, z.ZodType>();

/** The same schema, but a key that it does not know is a fault: a misspelt filter would show everything. */
function strict(schema: z.ZodType): z.ZodType {
  const known = strictQueries.get(schema);
  if (known !== undefined) return known;
  const made = schema instanceof z.ZodObject ? schema.strict() : schema;
  strictQueries.set(schema, made);
  return made;
}

/**
 * The query as the operation says; one that has no filters takes what lists and probes add. Of a list's `limit` no more
 * than `pageMax` is left: the answer's cursor leads to the rest, so nobody misses any. @throws as `parseInput`.
 */
export function parseQuery({ query }: FleetOperation, url: URL, pageMax: number): unknown {
  if (query === undefined) return undefined;
  const read = parseInput(strict(query), readQuery(url));
  const isPaged = typeof read === 'object' && read !== null && 'limit' in read && typeof read.limit === 'number';
  return isPaged ? { ...read, limit: Math.min(read.limit as number, pageMax) } : read;
}
