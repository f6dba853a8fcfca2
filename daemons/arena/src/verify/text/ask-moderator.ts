/** A moderation service of the operator's (`external_api_url`): POST {text}, answer {safe, reason?}. */
import { z } from 'zod';
import type { Finding } from '../../contract/verifier.ts';

const answerSchema = z.object({ safe: z.boolean(), reason: z.string().max(200).optional() });
const answerBytesMost = 64 * 1024;

export type ModeratorAsk = { url: string; timeoutMs: number; text: string; signal: AbortSignal };

const down = (why: string): Finding => ({
  status: 'error',
  message: `the moderation service gave no verdict (${why})`,
  details: {},
  code: 'EXTERNAL_API_UNAVAILABLE',
});

async function bodyOf(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMost) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** `safe`, or the finding. Only a clear answer counts: whatever else comes back is an error, never a pass. */
export async function askModerator({ url, timeoutMs, text, signal }: ModeratorAsk): Promise<'safe' | Finding> {
  let body: string | undefined;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text }),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!response.ok) return down(`status ${response.status}`);
    body = await bodyOf(response);
  } catch {
    signal.throwIfAborted();
    return down('no answer');
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body ?? '');
  } catch {
    return down('not JSON');
  }
  const answer = answerSchema.safeParse(parsed);
  if (!answer.success) return down('not {safe, reason}');
  if (answer.data.safe) return 'safe';
  const reason = answer.data.reason ?? 'no reason given';
  return {
    status: 'failed',
    message: `the moderation service refuses: ${reason}`,
    details: { reason },
    code: 'UNSAFE_TEXT',
  };
}
