/**
 * What a process prints, in a file that has no name any more: nothing that waits inside the test runner can lose what a
 * daemon said.
 */
import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class KeptOutput implements Disposable {
  /** For the child's stdout or stderr; both may have the same. */
  readonly fd: number;
  readonly #decoder = new TextDecoder();
  readonly #chunk = Buffer.alloc(64 * 1024);
  #text = '';
  #at = 0;
  #closed = false;

  constructor() {
    const path = join(tmpdir(), `labmesh-output-${crypto.randomUUID()}`);
    this.fd = openSync(path, 'a+', 0o600);
    unlinkSync(path);
  }

  /** All that was printed so far. */
  get text(): string {
    while (!this.#closed) {
      const count = readSync(this.fd, this.#chunk, 0, this.#chunk.length, this.#at);
      if (count === 0) break;
      this.#at += count;
      this.#text += this.#decoder.decode(this.#chunk.subarray(0, count), { stream: true });
    }
    return this.#text;
  }

  /** What was read stays. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    void this.text;
    this.#closed = true;
    closeSync(this.fd);
  }
}
