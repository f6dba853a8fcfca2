/** Server-sent events over the admin socket, or over the API for who shows a login, read when a test asks for them. */
import type { RunningLabd } from '../start-labd.ts';

export type Sent = { id?: string; event?: string; data: unknown };

const parse = (text: string): Sent | undefined => {
  const fields = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const data = fields.get('data');
  if (data === undefined) return undefined;
  const [id, event] = [fields.get('id'), fields.get('event')];
  return { data: JSON.parse(data), ...(id !== undefined && { id }), ...(event !== undefined && { event }) };
};

export class SseReader {
  readonly status: number;
  readonly #body: AsyncIterator<Uint8Array> | undefined;
  readonly #stop: AbortController;
  readonly #decoder = new TextDecoder();
  #text = '';
  #isOver = false;

  private constructor(answer: Response, stop: AbortController) {
    this.status = answer.status;
    this.#body = answer.body?.[Symbol.asyncIterator]();
    this.#stop = stop;
  }

  static async open(labd: RunningLabd, path: string, headers: Record<string, string> = {}): Promise<SseReader> {
    const stop = new AbortController();
    const options = { headers, signal: stop.signal };
    const answer =
      headers['authorization'] === undefined
        ? await fetch(`http://labd${path}`, { ...options, unix: labd.socket })
        : await fetch(`${labd.api}${path}`, { ...options, tls: { rejectUnauthorized: false } });
    return new SseReader(answer, stop);
  }

  /** The next event; undefined at the end. Comments are passed over. */
  async next(): Promise<Sent | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const sent = parse(this.#text.slice(0, end));
        this.#text = this.#text.slice(end + 2);
        if (sent !== undefined) return sent;
      } else if (this.#isOver) return undefined;
      else await this.#more();
    }
  }

  async #more(): Promise<void> {
    const part = await this.#body?.next();
    if (part === undefined || part.done === true) this.#isOver = true;
    else this.#text += this.#decoder.decode(part.value, { stream: true });
  }

  /** All of them, to the end or up to `count`. */
  async take(count = Infinity): Promise<Sent[]> {
    const found: Sent[] = [];
    while (found.length < count) {
      const sent = await this.next();
      if (sent === undefined) break;
      found.push(sent);
    }
    return found;
  }

  /** What is left, as text. */
  async rest(): Promise<string> {
    while (!this.#isOver) await this.#more();
    return this.#text;
  }

  leave(): void {
    this.#stop.abort();
  }
}
