/** What comes out of a pipe, as far as a cap allows. */
export type Captured = { bytes: Uint8Array; isFull: boolean };

export type Capture = {
  /** Resolves at the pipe's end, or when it was stopped. Never rejects. */
  readonly done: Promise<Captured>;
  stop: () => void;
};

/** Reads `fd` to its end and keeps the first `bytesMax`; `onFull` is called once when more comes. The fd stays open. */
export function capture(fd: number, bytesMax: number, onFull: () => void): Capture {
  const reader = Bun.file(fd).stream().getReader();
  const chunks: Uint8Array[] = [];
  let held = 0;
  let isFull = false;

  const keep = (chunk: Uint8Array) => {
    const room = bytesMax - held;
    if (room > 0) chunks.push(chunk.length > room ? chunk.slice(0, room) : chunk);
    held += Math.min(chunk.length, room);
    if (chunk.length <= room || isFull) return;
    isFull = true;
    onFull();
  };
  const readAll = async () => {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        keep(value);
      }
    } catch {
      // Stopped, or the descriptor failed: what came until then stands.
    }
    return { bytes: new Uint8Array(Buffer.concat(chunks)), isFull };
  };
  return { done: readAll(), stop: () => void reader.cancel().catch(() => {}) };
}
