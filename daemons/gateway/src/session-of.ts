/** What a routing by session keeps at one endpoint (gateway I-15). */
import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import type { Exchange } from '@labmesh/kit/http/exchange';

const headers = ['x-labmesh-session', 'x-session-id', 'x-claude-code-session-id'];
/** Longer names of sessions begin alike for all that anybody knows. */
const nameMost = 256;
const promptBytes = 1_024;

/** The client's own word, else how the prompt begins: whoever shares it shares what engines keep of it. */
export function sessionOf(exchange: Exchange, { bytes, prompt }: Pick<ScannedBody, 'bytes' | 'prompt'>): string {
  for (const name of headers) {
    const value = exchange.header(name);
    if (value !== undefined && value !== '') return value.slice(0, nameMost);
  }
  if (prompt === undefined) return '';
  const end = Math.min(prompt.end, prompt.start + promptBytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset + prompt.start, end - prompt.start).toString('latin1');
}
