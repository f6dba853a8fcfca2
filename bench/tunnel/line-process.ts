import type { Subprocess } from 'bun';

const stopMs = 5_000;

/** A process that says JSON objects, one a line; ended with the bench. */
export class LineProcess implements AsyncDisposable {
  readonly #child: Subprocess<'ignore', 'pipe', 'ignore'>;
  readonly #lines: AsyncGenerator<Record<string, unknown>>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' });
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next line. @throws Error when the process ended instead. */
  async next(): Promise<Record<string, unknown>> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`a process of the bench ended with ${await this.#child.exited}`);
    return line.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await Promise.race([this.#child.exited, Bun.sleep(stopMs)]);
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, unknown>> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) yield JSON.parse(line) as Record<string, unknown>;
  }
}
