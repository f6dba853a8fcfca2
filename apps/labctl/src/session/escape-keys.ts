/**
 * Keys that are for labctl and not for the command, as in ssh: behind Enter, `~d` detaches, `~.` ends, `~~` is one `~`
 * (EX-8). The `~` is held back until the next key tells what it was.
 */
const [tilde, enter, newline] = [0x7e, 0x0d, 0x0a];
const [detachKey, endKey] = [0x64, 0x2e];

export type EscapeCommand = 'detach' | 'end';

export class EscapeKeys {
  #isLineStart = true;
  #isHeld = false;

  /** The bytes that go on, and the command, if one was given; what is typed behind it is dropped. */
  push(typed: Uint8Array): { bytes: Uint8Array; command?: EscapeCommand } {
    // At most the held `~` comes on top.
    const bytes = new Uint8Array(typed.length + 1);
    let length = 0;
    for (const key of typed) {
      if (this.#isHeld) {
        this.#isHeld = false;
        this.#isLineStart = false;
        if (key === detachKey) return { bytes: bytes.subarray(0, length), command: 'detach' };
        if (key === endKey) return { bytes: bytes.subarray(0, length), command: 'end' };
        bytes[length++] = tilde;
        if (key === tilde) continue;
      } else if (key === tilde && this.#isLineStart) {
        this.#isHeld = true;
        continue;
      }
      bytes[length++] = key;
      this.#isLineStart = key === enter || key === newline;
    }
    return { bytes: bytes.subarray(0, length) };
  }
}
