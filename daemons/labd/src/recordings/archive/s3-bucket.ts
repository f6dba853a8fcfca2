/**
 * The bucket of `recordings.url = "s3://bucket/prefix"`: three requests, each under a URL that Bun's S3 client signs
 * (SigV4 in the query), so that each can be given up in time. Such a URL is a secret for ten minutes: it is never in an
 * error or a log. What is sent is sealed already.
 */
import { stat } from 'node:fs/promises';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export type BucketSettings = {
  /** `s3://bucket/prefix` */
  url: string;
  /** Undefined: AWS, by region. */
  endpoint?: string | undefined;
  region?: string | undefined;
  accessKeyId: string | undefined;
  secretAccessKey: string | undefined;
  sessionToken?: string | undefined;
};

/** The bucket did not do it; `code` is safe for logs: HTTP_503, TIMEOUT, TRUNCATED, CHECKSUM, ECONNREFUSED. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
  readonly code: string;
  constructor(code: string) {
    super(`the bucket did not answer as it must: ${code}`);
    this.code = code;
  }
}

const signedForS = 600;
/** Without an answer, or a byte of it, for so long it is away. */
export const silentMs = 30_000;
/** A file that goes slower than this counts as stuck. */
const slowestBytesPerS = 128 * 1024;

const bucketPattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const prefixPattern = /^[A-Za-z0-9!_.*'()-]+(\/[A-Za-z0-9!_.*'()-]+)*$/;

const invalid = (message: string) => new FleetError('VALIDATION_FAILED', { field: 'recordings.url', message });

/** @throws FleetError VALIDATION_FAILED */
function placeOf(url: string): { bucket: string; prefix: string } {
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url) ?? [];
  const prefix = rest.replace(/\/+$/, '');
  if (!bucketPattern.test(bucket)) throw invalid('recordings.url is s3://<bucket>/<prefix>');
  const isPlain =
    prefix === '' || (prefixPattern.test(prefix) && !prefix.split('/').some((part) => /^\.+$/.test(part)));
  if (!isPlain) throw invalid('the prefix of recordings.url has letters, digits and -_.!*() between its slashes');
  return { bucket, prefix };
}

function endpointOf(endpoint: string | undefined): { endpoint?: string } {
  if (endpoint === undefined) return {};
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '';
  if (!isPlain) throw invalid('recordings.endpoint is https://<host>[:port]');
  return { endpoint };
}

const codeOf = (error: unknown): string => {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) return 'TIMEOUT';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^[A-Za-z0-9_]{1,64}$/.test(code) ? code : 'NETWORK';
};

export class S3Bucket {
  readonly #client: Bun.S3Client;
  readonly #prefix: string;
  readonly #silentMs: number;

  /** @throws FleetError VALIDATION_FAILED for settings that cannot work */
  constructor(settings: BucketSettings, limits: { silentMs?: number } = {}) {
    const { url, region = 'us-east-1', accessKeyId, secretAccessKey, sessionToken } = settings;
    const { bucket, prefix } = placeOf(url);
    if (accessKeyId === undefined || secretAccessKey === undefined)
      throw invalid('a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the same with _FILE)');
    const keys = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
    this.#client = new Bun.S3Client({ bucket, region, ...keys, ...endpointOf(settings.endpoint) });
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.#silentMs = limits.silentMs ?? silentMs;
  }

  async #ask(method: 'PUT' | 'GET' | 'DELETE', key: string, init: RequestInit): Promise<Response> {
    const url = this.#client.presign(`${this.#prefix}${key}`, { method, expiresIn: signedForS });
    try {
      return await fetch(url, { ...init, method, redirect: 'error' });
    } catch (error) {
      // Not as its cause: the runtime's errors hold the URL.
      throw new BucketError(codeOf(error));
    }
  }

  /** Sends a file; again does no harm. @throws BucketError */
  async put(key: string, path: string, signal: AbortSignal): Promise<void> {
    const { size } = await stat(path);
    const late = AbortSignal.timeout(this.#silentMs + Math.ceil((size / slowestBytesPerS) * 1000));
    const answer = await this.#ask('PUT', key, { body: Bun.file(path), signal: AbortSignal.any([signal, late]) });
    await answer.body?.cancel().catch(() => undefined);
    if (!answer.ok) throw new BucketError(`HTTP_${answer.status}`);
  }

  /** The bytes; undefined when there are none of that name. @throws BucketError, also while it is read */
  async get(key: string, signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array> | undefined> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), this.#silentMs);
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    try {
      const answer = await this.#ask('GET', key, { signal: either });
      if (answer.ok) return this.#bytes(answer, stop, timer);
      await answer.body?.cancel().catch(() => undefined);
      clearTimeout(timer);
      if (answer.status === 404) return undefined;
      throw new BucketError(`HTTP_${answer.status}`);
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
  }

  async *#bytes(answer: Response, stop: AbortController, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
    const length = Number(answer.headers.get('content-length') ?? NaN);
    let bytes = 0;
    const reader = answer.body?.getReader();
    try {
      for (;;) {
        timer.refresh();
        const part = await reader?.read();
        clearTimeout(timer);
        if (part === undefined || part.done) break;
        bytes += part.value.length;
        yield part.value;
      }
    } catch (error) {
      throw new BucketError(codeOf(error));
    } finally {
      clearTimeout(timer);
      stop.abort();
      await reader?.cancel().catch(() => undefined);
    }
    if (bytes !== length) throw new BucketError('TRUNCATED');
  }

  /** Removes it; what is not there is no error. @throws BucketError */
  async remove(key: string): Promise<void> {
    const answer = await this.#ask('DELETE', key, { signal: AbortSignal.timeout(this.#silentMs) });
    await answer.body?.cancel().catch(() => undefined);
    if (!answer.ok && answer.status !== 404) throw new BucketError(`HTTP_${answer.status}`);
  }
}
