import type { Exchange } from '@labmesh/kit/http/exchange';

/** Another exchange behind the same face; what is looked at or changed on the way is overridden. */
export class ForwardedExchange implements Exchange {
  protected readonly inner: Exchange;

  constructor(inner: Exchange) {
    this.inner = inner;
  }

  get method(): string {
    return this.inner.method;
  }
  get path(): string {
    return this.inner.path;
  }
  get query(): string {
    return this.inner.query;
  }
  get peer(): string {
    return this.inner.peer;
  }
  get aborted(): boolean {
    return this.inner.aborted;
  }
  get started(): boolean {
    return this.inner.started;
  }
  header(name: string): string | undefined {
    return this.inner.header(name);
  }
  headers(): Iterable<readonly [name: string, value: string]> {
    return this.inner.headers();
  }
  body(): Promise<Uint8Array> {
    return this.inner.body();
  }
  onAbort(callback: () => void): void {
    this.inner.onAbort(callback);
  }
  onDrain(callback: () => void): void {
    this.inner.onDrain(callback);
  }
  start(status: number, headers: ReadonlyArray<readonly [name: string, value: string]>): void {
    this.inner.start(status, headers);
  }
  write(bytes: Uint8Array): boolean {
    return this.inner.write(bytes);
  }
  writeChunk(framed: Buffer, start: number, end: number): boolean {
    return this.inner.writeChunk(framed, start, end);
  }
  end(): void {
    this.inner.end();
  }
  reply(
    status: number,
    headers: ReadonlyArray<readonly [name: string, value: string]>,
    body: Uint8Array | string,
  ): void {
    this.inner.reply(status, headers, body);
  }
  destroy(): void {
    this.inner.destroy();
  }
}
