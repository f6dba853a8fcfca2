/** Our ends of pipes: read and written without blocking, and never ahead of whoever asks. */
import { closeSync } from 'node:fs';
import type { OutputSource } from './spawned.ts';

/** Takes over `fd`. */
export function outputSource(stream: 1 | 2, fd: number): OutputSource {
  const reader = Bun.file(fd).stream().getReader();
  // The stream works on its own copy of the descriptor.
  closeSync(fd);
  return {
    stream,
    read: async () => {
      const next = await reader.read().catch(() => undefined);
      return next?.value;
    },
    close: () => void reader.cancel().catch(() => {}),
  };
}

export class InputSink {
  #sink: ReturnType<ReturnType<typeof Bun.file>['writer']> | undefined;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#sink = Bun.file(fd).writer();
    closeSync(fd);
  }

  /** Resolves when the pipe has taken the bytes, or nobody reads it any more. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#sink?.write(bytes);
      await this.#sink?.flush();
    } catch {
      // The command closed its input. What comes now has no reader, as with a local pipe, and is no error.
      this.end();
    }
  }

  end(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink !== undefined) void Promise.resolve(sink.end()).catch(() => {});
  }
}
