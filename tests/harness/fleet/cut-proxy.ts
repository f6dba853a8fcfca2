/** A door whose connections can be cut, and led to another replica, without either side knowing of it before. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Door } from '../raw-https.ts';

export class CutProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: Door;
  readonly #tape: Buffer[] | undefined;

  private constructor(target: Door, tape: Buffer[] | undefined) {
    this.#target = target;
    this.#tape = tape;
    this.#server = createServer((client) => this.#join(client));
  }

  /** `tape` gets all that passes, both ways. */
  static async open(target: Door, tape?: Buffer[]): Promise<CutProxy> {
    const proxy = new CutProxy(target, tape);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get door(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as { port: number }).port };
  }

  #join(client: Socket): void {
    const target = 'socket' in this.#target ? connect(this.#target.socket) : connect(this.#target);
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
      const tape = this.#tape;
      if (tape !== undefined) from.on('data', (bytes: Buffer) => void tape.push(bytes));
    }
  }

  /** Ends what is open; new connections go to `target` from now on. */
  cut(target: Door = this.#target): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
