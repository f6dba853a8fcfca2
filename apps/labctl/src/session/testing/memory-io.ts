/** Streams, terminal and signals of a session that stand in memory. */
import type { OwnSignal, SessionIo, TerminalSize } from '../session-io.ts';
import { OutputGone } from '../session-io.ts';

export class MemoryIo implements SessionIo {
  stdinIsTerminal = false;
  stdoutIsTerminal = false;
  stdinIsGiven = true;
  isRaw = false;
  window: TerminalSize | undefined;
  /** Set: writes wait for it. */
  hold: Promise<void> | undefined;
  /** Nobody reads. */
  isGone = false;
  readonly written: { stream: 1 | 2; bytes: Uint8Array }[] = [];
  /** Whether raw mode was ever on, and how often it was put back. */
  raws = { on: 0, off: 0 };
  /** Who hears the signals now. */
  told: ((name: OwnSignal) => void) | undefined;
  resized: ((size: TerminalSize) => void) | undefined;
  #typed: (Uint8Array | undefined)[] = [];
  #wake: (() => void) | undefined;

  type(text: string | Uint8Array): void {
    this.#typed.push(typeof text === 'string' ? new TextEncoder().encode(text) : text);
    this.#wake?.();
  }
  endInput(): void {
    this.#typed.push(undefined);
    this.#wake?.();
  }
  text(stream: 1 | 2): string {
    return this.bytes(stream).toString('utf8');
  }
  bytes(stream: 1 | 2): Buffer {
    return Buffer.concat(this.written.filter((one) => one.stream === stream).map(({ bytes }) => bytes));
  }

  async *stdin(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#typed.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const next = this.#typed.shift();
      if (next === undefined) return;
      yield next;
    }
  }
  async write(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    if (this.isGone) throw new OutputGone();
    // A real stream has taken its place in the line before anybody waits.
    this.written.push({ stream, bytes: bytes.slice() });
    await this.hold;
  }
  size(): TerminalSize | undefined {
    return this.window;
  }
  onResize(told: (size: TerminalSize) => void): Disposable {
    this.resized = told;
    return { [Symbol.dispose]: () => void (this.resized = undefined) };
  }
  rawMode(): Disposable {
    this.isRaw = true;
    this.raws.on++;
    return {
      [Symbol.dispose]: () => {
        this.isRaw = false;
        this.raws.off++;
      },
    };
  }
  takeSignals(told: (name: OwnSignal) => void): Disposable {
    this.told = told;
    return { [Symbol.dispose]: () => void (this.told = undefined) };
  }
}
