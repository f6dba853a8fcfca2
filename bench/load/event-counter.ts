const newline = 10;
const carriageReturn = 13;
const dataPrefix = Buffer.from('data:');
const done = Buffer.from('data: [DONE]');

/**
 * Counts server-sent events in body bytes that may be split anywhere. An event is a block that starts with `data:` and
 * ends with an empty line; comments (keep-alives) are not events. `[DONE]` is noted, not counted.
 */
export class EventCounter {
  events = 0;
  done = false;
  /** Position in the block, capped at the length of `done`: enough to tell blocks apart. */
  #at = 0;
  #isData = true;
  #isDone = true;
  #lineEmpty = true;

  reset(): void {
    this.events = 0;
    this.done = false;
    this.#startBlock();
  }

  feed(bytes: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const byte = bytes[i] as number;
      if (byte === newline) this.#endLine();
      else if (byte !== carriageReturn) {
        this.#lineEmpty = false;
        if (this.#at < done.length) this.#match(byte);
      }
    }
  }

  #match(byte: number): void {
    if (this.#at < dataPrefix.length && byte !== dataPrefix[this.#at]) this.#isData = false;
    if (byte !== done[this.#at]) this.#isDone = false;
    this.#at++;
  }

  #endLine(): void {
    if (!this.#lineEmpty) {
      this.#lineEmpty = true;
      return;
    }
    if (this.#at >= dataPrefix.length && this.#isData) {
      if (this.#isDone && this.#at === done.length) this.done = true;
      else this.events++;
    }
    this.#startBlock();
  }

  #startBlock(): void {
    this.#at = 0;
    this.#isData = true;
    this.#isDone = true;
    this.#lineEmpty = true;
  }
}
