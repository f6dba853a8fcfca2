import type { Subprocess } from 'bun';

const stopMs = 5_000;

/** A process that says JSON objects, one a line, and takes such on stdin; ended with its owner. */
export class JsonProcess implements AsyncDisposable {
  readonly #child: Subprocess<'pipe', 'pipe', 'ignore'>;
  readonly #lines: AsyncGenerator<Record<string, unknown>>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: 'pipe', stdout: 'pipe', stderr: 'ignore' });
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next line. @throws Error when the process ended instead. */
  async next(): Promise<Record<string, unknown>> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`a process ended with ${await this.#child.exited}`);
    return line.value;
  }

  /** Says something to it and gives its next line. */
  async ask(request: object): Promise<Record<string, unknown>> {
    void this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    await this.#child.stdin.flush();
    return this.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await Promise.race([this.#child.exited, Bun.sleep(stopMs)]);
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/** JSON objects of a stream, one a line; other lines are passed over. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, unknown>> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) yield JSON.parse(line) as Record<string, unknown>;
  }
}
