import type { Exchange } from '@labmesh/kit/http/exchange';
import { LiteralRewriter } from './literal-rewriter.ts';
import { scrub } from './scrub.ts';
import { shownModelId } from './shown-model-id.ts';

type Headers = ReadonlyArray<readonly [name: string, value: string]>;

/** Response headers that go on (network plane X4). */
const kept = new Set(['content-type', 'cache-control', 'retry-after', 'x-request-id']);
const keep = (headers: Headers): Headers => headers.filter(([name]) => kept.has(name));

/** Error bodies of endpoints are cut here, bytes. */
const errorBytesMax = 4_096;

/**
 * An exchange whose answer tells nothing about the site: few headers, error texts without addresses (S12), and no file
 * path as a model's name (S13). All else goes through as it is.
 */
export class NodeExchange implements Exchange {
  readonly #inner: Exchange;
  readonly #rewriter: LiteralRewriter | undefined;

  /** `model`: the engine's own id of the model that is asked. */
  constructor(inner: Exchange, model: string) {
    this.#inner = inner;
    const shown = shownModelId(model);
    this.#rewriter = shown === model ? undefined : new LiteralRewriter(model, shown);
  }

  get method(): string {
    return this.#inner.method;
  }
  get path(): string {
    return this.#inner.path;
  }
  // Query strings are none of an engine's business here.
  get query(): string {
    return '';
  }
  get peer(): string {
    return this.#inner.peer;
  }
  get aborted(): boolean {
    return this.#inner.aborted;
  }
  get started(): boolean {
    return this.#inner.started;
  }
  header(name: string): string | undefined {
    return this.#inner.header(name);
  }
  /** None: X3 keeps Content-Type, Accept and X-Request-Id, which the relay writes itself. */
  headers(): Iterable<readonly [name: string, value: string]> {
    return [];
  }
  body(): Promise<Uint8Array> {
    return this.#inner.body();
  }
  onAbort(callback: () => void): void {
    this.#inner.onAbort(callback);
  }
  onDrain(callback: () => void): void {
    this.#inner.onDrain(callback);
  }
  destroy(): void {
    this.#inner.destroy();
  }

  start(status: number, headers: Headers): void {
    this.#inner.start(status, keep(headers));
  }

  writeChunk(framed: Buffer, start: number, end: number): boolean {
    return this.write(framed.subarray(start, end));
  }

  write(bytes: Uint8Array): boolean {
    if (this.#rewriter === undefined) return this.#inner.write(bytes);
    const out = this.#rewriter.push(bytes);
    return out.length === 0 || this.#inner.write(out);
  }

  end(): void {
    const rest = this.#rewriter?.flush();
    if (rest !== undefined && rest.length > 0) this.#inner.write(rest);
    this.#inner.end();
  }

  reply(status: number, headers: Headers, body: Uint8Array | string): void {
    const rewriter = this.#rewriter;
    let out = body;
    if (rewriter !== undefined) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      out = Buffer.concat([rewriter.push(bytes), rewriter.flush()]);
    }
    if (status >= 400)
      out = scrub(
        typeof out === 'string' ? out.slice(0, errorBytesMax) : Buffer.from(out).toString('utf8', 0, errorBytesMax),
      );
    this.#inner.reply(status, keep(headers), out);
  }
}
