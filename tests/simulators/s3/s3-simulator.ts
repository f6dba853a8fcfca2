/**
 * An S3 server as far as labd uses one: objects of one bucket under presigned URLs, path style, with the signature
 * checked (AWS Signature Version 4, query form) and faults put in by tests.
 */
import { createHash, createHmac } from 'node:crypto';

/** What the next request of a method does in place of its work. */
export type S3Fault = 'status-500' | 'status-403' | 'hang' | 'truncated' | 'flipped';
type Method = 'PUT' | 'GET' | 'DELETE';

export type S3Options = { bucket: string; region: string; accessKeyId: string; secretAccessKey: string };

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

/** Why a request is not signed as it must be, or undefined. */
function refusal(request: Request, options: S3Options, now: number): string | undefined {
  const url = new URL(request.url);
  const query = url.searchParams;
  const [accessKey, day = '', region, service, end] = (query.get('X-Amz-Credential') ?? '').split('/');
  const date = query.get('X-Amz-Date') ?? '';
  const { accessKeyId, secretAccessKey } = options;
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || query.get('X-Amz-SignedHeaders') !== 'host')
    return 'UnsupportedSignature';
  if (accessKey !== accessKeyId || region !== options.region || service !== 's3' || end !== 'aws4_request')
    return 'InvalidAccessKeyId';
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const at = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
  const expires = Number(query.get('X-Amz-Expires')) * 1000;
  if (!(at <= now + 60_000 && now <= at + expires && expires <= 604_800_000)) return 'RequestExpired';
  const pairs = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([k, v]) => `${escaped(k)}=${escaped(v)}`);
  const canonical = [
    request.method,
    url.pathname
      .split('/')
      .map((part) => escaped(decodeURIComponent(part)))
      .join('/'),
    pairs.toSorted().join('&'),
    `host:${request.headers.get('host')}\n`,
    'host',
    'UNSIGNED-PAYLOAD',
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${secretAccessKey}`, day), options.region));
  return hmac(key, text).toString('hex') === query.get('X-Amz-Signature') ? undefined : 'SignatureDoesNotMatch';
}

export class S3Simulator implements AsyncDisposable {
  readonly options: S3Options;
  /** By key. */
  readonly objects = new Map<string, Uint8Array>();
  /** `PUT 200`, in order. */
  readonly log: string[] = [];
  readonly #faults: { method: Method; fault: S3Fault }[] = [];
  readonly #port: number;
  #server: Bun.Server<undefined>;

  constructor(options: Partial<S3Options> = {}) {
    this.options = {
      bucket: 'lab',
      region: 'eu-lab-1',
      accessKeyId: 'AKLAB',
      secretAccessKey: 'a/secret+1',
      ...options,
    };
    this.#server = this.#listen(0);
    this.#port = this.#server.port ?? 0;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  #listen(port: number) {
    return Bun.serve({ hostname: '127.0.0.1', port, idleTimeout: 0, fetch: (request) => this.#serve(request) });
  }

  /** The next `count` requests of that method go wrong. */
  fail(method: Method, fault: S3Fault, count = 1): void {
    for (let n = 0; n < count; n++) this.#faults.push({ method, fault });
  }

  /** Nobody listens any more; `back` listens at the same place. */
  async away(): Promise<void> {
    await this.#server.stop(true);
  }
  back(): void {
    this.#server = this.#listen(this.#port);
  }

  async #serve(request: Request): Promise<Response> {
    const method = request.method as Method;
    const at = this.#faults.findIndex((one) => one.method === method);
    const fault = at < 0 ? undefined : this.#faults.splice(at, 1)[0]?.fault;
    const answer = await this.#answer(request, method, fault);
    this.log.push(`${method} ${fault ?? answer.status}`);
    return answer;
  }

  async #answer(request: Request, method: Method, fault: S3Fault | undefined): Promise<Response> {
    if (fault === 'hang') await new Promise(() => {});
    if (fault === 'status-500' || fault === 'status-403')
      return new Response('<Error/>', { status: Number(fault.slice(7)) });
    const refused = refusal(request, this.options, Date.now());
    if (refused !== undefined) return new Response(`<Error><Code>${refused}</Code></Error>`, { status: 403 });
    const [, bucket, ...rest] = new URL(request.url).pathname.split('/').map(decodeURIComponent);
    const key = rest.join('/');
    if (bucket !== this.options.bucket) return new Response('<Error/>', { status: 404 });
    if (method === 'PUT') {
      this.objects.set(key, broken(new Uint8Array(await request.arrayBuffer()), fault));
      return new Response('');
    }
    if (method === 'DELETE') {
      this.objects.delete(key);
      return new Response(null, { status: 204 });
    }
    const bytes = this.objects.get(key);
    if (bytes === undefined) return new Response('<Error><Code>NoSuchKey</Code></Error>', { status: 404 });
    return new Response(broken(bytes, fault));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

function broken(bytes: Uint8Array<ArrayBuffer> | Uint8Array, fault: S3Fault | undefined): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(bytes);
  if (fault === 'truncated') return copy.slice(0, Math.floor(copy.length / 2));
  if (fault === 'flipped') copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}
