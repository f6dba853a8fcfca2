/** The streams, terminal and signals of a labctl that runs in this process: what it prints is kept, what it reads is told. */
import type { OwnSignal, SessionIo, TerminalSize } from '@labmesh/labctl/session/session-io';

export type Script = {
  /** Stdin is a terminal: keys, raw mode. Else something was put there. */
  isTerminal: boolean;
  /** What comes on stdin, once stdout holds `after`. */
  input?: Uint8Array;
  after?: string;
};

const chunkBytes = 16 * 1024;

export class ScriptedIo implements SessionIo {
  readonly #script: Script;
  readonly #parts: Uint8Array[][] = [[], []];
  #wake: () => void = () => {};
  #told: (name: OwnSignal) => void = () => {};
  isRaw = false;
  /** Times that raw mode was begun, and ended. */
  raws = 0;
  restores = 0;

  constructor(script: Script) {
    this.#script = script;
  }

  get stdinIsTerminal(): boolean {
    return this.#script.isTerminal;
  }
  get stdoutIsTerminal(): boolean {
    return this.#script.isTerminal;
  }
  get stdinIsGiven(): boolean {
    return !this.#script.isTerminal;
  }

  get out(): Buffer {
    return Buffer.concat(this.#parts[0] ?? []);
  }
  get err(): Buffer {
    return Buffer.concat(this.#parts[1] ?? []);
  }

  /** Waits until stdout holds this. */
  async says(text: string): Promise<void> {
    while (!this.out.includes(text)) await new Promise<void>((wake) => (this.#wake = wake));
  }

  async *stdin(): AsyncGenerator<Uint8Array> {
    const { input = new Uint8Array(), after } = this.#script;
    if (after !== undefined) await this.says(after);
    for (let at = 0; at < input.length; at += chunkBytes) yield input.subarray(at, at + chunkBytes);
  }

  async write(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    this.#parts[stream - 1]?.push(bytes.slice());
    this.#wake();
  }

  size(): TerminalSize {
    return { cols: 80, rows: 24 };
  }
  onResize(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }
  rawMode(): Disposable {
    this.isRaw = true;
    this.raws++;
    return {
      [Symbol.dispose]: () => {
        this.isRaw = false;
        this.restores++;
      },
    };
  }
  takeSignals(told: (name: OwnSignal) => void): Disposable {
    this.#told = told;
    return { [Symbol.dispose]: () => (this.#told = () => {}) };
  }

  /** Somebody sends labctl a signal. */
  signal(name: OwnSignal): void {
    this.#told(name);
  }
}
