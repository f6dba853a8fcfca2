import { BoundPassed } from '@labmesh/kit/bounded-queue';

/**
 * Lines of a stream, without their ends.
 * @throws BoundPassed for a line of more than `bytesMax` bytes.
 */
export async function* readLines(stream: ReadableStream<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  let chunks: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      chunks.push(rest.subarray(0, end));
      if (held + end > bytesMax) throw new BoundPassed('sandbox.line', bytesMax);
      yield Buffer.concat(chunks).toString('utf8');
      [chunks, held, rest] = [[], 0, rest.subarray(end + 1)];
    }
    held += rest.length;
    if (held > bytesMax) throw new BoundPassed('sandbox.line', bytesMax);
    if (rest.length > 0) chunks.push(rest);
  }
}
