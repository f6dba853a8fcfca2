/** A client of `GET /ws`, which keeps all that it hears. */
import { type LiveNews, liveNewsSchema, type LiveWord, liveWordSchema } from '@labmesh/wire/verification/arena-live';

const patientMs = 30_000;

export class LiveListener implements Disposable {
  readonly news: LiveNews[] = [];
  readonly words: LiveWord[] = [];
  /** Code and reason; undefined while it is open. */
  closed: [code: number, reason: string] | undefined;
  readonly #socket: WebSocket;
  #isOpen = false;

  /** @param base of the gateway, `http://…` */
  constructor(base: string, headers: Record<string, string>) {
    this.#socket = new WebSocket(`${base.replace(/^http/, 'ws')}/ws`, { headers } as unknown as string[]);
    this.#socket.addEventListener('open', () => void (this.#isOpen = true));
    this.#socket.addEventListener('close', ({ code, reason }) => void (this.closed = [code, reason]));
    this.#socket.addEventListener('message', ({ data }) => {
      const said: unknown = JSON.parse(String(data));
      const word = liveWordSchema.safeParse(said);
      if (word.success) this.words.push(word.data);
      else this.news.push(liveNewsSchema.parse(said));
    });
  }

  /** Open, or refused. */
  async settled(): Promise<this> {
    await this.until(() => this.#isOpen || this.closed !== undefined);
    return this;
  }

  say(message: unknown): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  ping(times: number): void {
    for (let time = 0; time < times; time++) this.#socket.ping();
  }

  /** Listens once this resolves. */
  async subscribe(...topics: string[]): Promise<void> {
    const before = this.words.length;
    this.say({ op: 'subscribe', topics });
    await this.until(() => this.words.length > before || this.closed !== undefined);
  }

  of(topic: string): LiveNews[] {
    return this.news.filter((one) => one.topic === topic);
  }

  async until(isSo: () => boolean): Promise<void> {
    for (const end = performance.now() + patientMs; !isSo(); await Bun.sleep(5)) {
      if (performance.now() > end) {
        throw new Error(`not heard: ${isSo.toString()} in ${JSON.stringify([this.words, this.closed]).slice(0, 500)}`);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
