/** What stands before labd in many places: it ends a connection on which one side said nothing for a while. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class SilenceProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that it ended. */
  cuts = 0;

  private constructor(target: URL, silenceMs: number) {
    this.#server = createServer((client) => {
      const behind = connect({ host: target.hostname, port: Number(target.port) });
      for (const [from, to] of [
        [client, behind],
        [behind, client],
      ] as const)
        this.#join(from, to, silenceMs);
    });
  }

  static async open(target: string, silenceMs: number): Promise<SilenceProxy> {
    const proxy = new SilenceProxy(new URL(target), silenceMs);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Each direction by itself: bytes the other way are no sign of life. */
  #join(from: Socket, to: Socket, silenceMs: number): void {
    const silent = setTimeout(() => {
      this.cuts++;
      from.destroy();
    }, silenceMs);
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('data', () => silent.refresh());
    from.on('close', () => {
      clearTimeout(silent);
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
