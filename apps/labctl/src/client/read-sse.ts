/** Longest line of a stream, characters; a longer one is no SSE that we know. */
export const sseLineCharsMax = 4 * 1024 * 1024;

/** A stream that is not what was asked for. */
export class SseError extends Error {
  override name = 'SseError';
}

/**
 * The `data` of each event of a Server-Sent Events stream (WHATWG HTML, 9.2), until it ends. CR, LF and CRLF end a
 * line; comments and other fields are dropped; an event that is not closed by an empty line is given too, since some
 * engines leave the last one open. @throws SseError above sseLineCharsMax
 */
export async function* readSse(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let open = '';
  let data: string[] = [];
  const take = (line: string): string | undefined => {
    if (line === '') {
      const event = data.length > 0 ? data.join('\n') : undefined;
      data = [];
      return event;
    }
    if (line === 'data') data.push('');
    else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    return undefined;
  };
  for await (const bytes of body) {
    open += decoder.decode(bytes, { stream: true });
    // A CR at the very end may be half of a CRLF: it waits.
    const held = open.endsWith('\r') ? '\r' : '';
    const lines = open.slice(0, open.length - held.length).split(/\r\n|\n|\r/);
    open = (lines.pop() ?? '') + held;
    if (open.length > sseLineCharsMax) throw new SseError('a line of the stream is too long');
    for (const line of lines) {
      const event = take(line);
      if (event !== undefined) yield event;
    }
  }
  for (const line of [...(open + decoder.decode()).split(/\r\n|\n|\r/), '']) {
    const event = take(line);
    if (event !== undefined) yield event;
  }
}
