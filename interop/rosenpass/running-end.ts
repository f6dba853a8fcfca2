/** A program that exchanges keys, ours or another: both say `output-key peer ID key-file "PATH" exchanged`. */
import { readFileSync } from 'node:fs';

type Output = {
  /** Base64 of the peer's id, as the program calls its peer. */
  peerId: string;
  /** Text of the key file when the line was read. */
  keyText: string;
  reason: 'exchanged' | 'stale';
};

/** Lines of a program that are kept: one that floods is at fault. */
const linesMax = 10_000;
const outputLine = /^output-key peer (\S+) key-file "(.+)" (exchanged|stale)$/;

export class RunningEnd implements AsyncDisposable {
  readonly outputs: Output[] = [];
  /** All that it said, on both channels. */
  readonly lines: string[] = [];
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>;
  #heard = Promise.withResolvers<void>();

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
    void this.#listen(this.#child.stdout);
    void this.#listen(this.#child.stderr);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null;
  }

  /** Keys of exchanges, the first one first. */
  get keys(): Output[] {
    return this.outputs.filter(({ reason }) => reason === 'exchanged');
  }

  /** A line for its standard input. */
  say(line: string): void {
    void this.#child.stdin.write(`${line}\n`);
    void this.#child.stdin.flush();
  }

  /** Waits for what `seen` looks for in the lines and outputs. @throws Error with the last lines after `timeoutMs`. */
  async until(what: string, timeoutMs: number, seen: (end: this) => boolean): Promise<void> {
    const ending = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => ending.resolve('late'), timeoutMs);
    try {
      while (!seen(this)) {
        if ((await Promise.race([this.#heard.promise, ending.promise])) !== 'late') continue;
        throw new Error(`${what}: not within ${timeoutMs} ms; last lines:\n${this.lines.slice(-12).join('\n')}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #listen(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true });
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    if (this.lines.length >= linesMax) return;
    this.lines.push(line);
    const [, peerId, path, reason] = outputLine.exec(line) ?? [];
    if (peerId !== undefined && path !== undefined) {
      this.outputs.push({ peerId, keyText: readFileSync(path, 'utf8'), reason: reason as Output['reason'] });
    }
    this.#heard.resolve();
    this.#heard = Promise.withResolvers<void>();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}
