/** A body of lines (NDJSON) is not one that we know. */
export class LinesError extends Error {
  override name = 'LinesError';
}

/** The lines of a stream of UTF-8, without their ends; empty ones are left out. @throws LinesError above `bytesMost` */
export async function* readLines(body: AsyncIterable<Uint8Array>, bytesMost: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Bytes, not text: a character may be cut in two.
  let open: Uint8Array[] = [];
  let size = 0;
  const take = () => {
    const line = decoder.decode(Buffer.concat(open));
    open = [];
    size = 0;
    return line;
  };
  const add = (bytes: Uint8Array) => {
    size += bytes.length;
    if (size > bytesMost) throw new LinesError(`a line of the answer is longer than ${bytesMost} bytes`);
    open.push(bytes);
  };
  for await (const bytes of body) {
    let from = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      add(bytes.subarray(from, end));
      from = end + 1;
      if (size > 0) yield take();
    }
    if (from < bytes.length) add(bytes.subarray(from));
  }
  if (size > 0) yield take();
}
