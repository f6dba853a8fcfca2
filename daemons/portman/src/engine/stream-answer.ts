/** An answer as server-sent events. */
import type { Logger } from '@labmesh/kit/log';
import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import { firstChunk, lastChunks, textChunk, type AnswerHead } from './answers.ts';
import type { Outcome } from './llama-engine.ts';

/** A silent stream (waiting for a slot, reading a long prompt) shows a comment this often, so that nothing in between gives up. */
const commentMs = 10_000;

/**
 * Runs `run` and sends what it gives. A refusal (queue full, prompt too long) that `run` throws at once is thrown on,
 * so it still gets its own status. The text of one answer is small and bounded by the context, so a slow client does
 * not hold the slot: its events wait in the stream's queue.
 */
export function streamAnswer(
  head: AnswerHead,
  client: AbortSignal,
  run: (signal: AbortSignal, onText: (text: string) => void) => Promise<Outcome>,
  log: Logger,
): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([client, gone.signal]);
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const send = (text: string) => {
    if (!signal.aborted) controller?.enqueue(encoder.encode(text));
  };
  const event = (data: unknown) => send(`data: ${JSON.stringify(data)}\n\n`);
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => gone.abort(new DOMException('the client is gone', 'AbortError')),
  });
  const comment = setInterval(() => send(': waiting\n\n'), commentMs);
  let outcome: Promise<Outcome>;
  try {
    outcome = run(signal, (text) => event(textChunk(head, text)));
  } catch (error) {
    clearInterval(comment);
    throw error;
  }
  const first = firstChunk(head);
  if (first !== undefined) event(first);
  void outcome
    .then((done) => {
      for (const last of lastChunks(head, done)) event(last);
      send('data: [DONE]\n\n');
      controller?.close();
    })
    .catch((error: unknown) => endBroken(error, signal, event, controller, log))
    .finally(() => clearInterval(comment));
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' },
  });
}

/** After the head only an error event can tell; the missing [DONE] shows that the answer is not whole. */
function endBroken(
  error: unknown,
  signal: AbortSignal,
  event: (data: unknown) => void,
  controller: ReadableStreamDefaultController<Uint8Array> | undefined,
  log: Logger,
): void {
  if (signal.aborted) {
    try {
      controller?.close();
    } catch {
      // Cancelled by the client: closed already.
    }
    return;
  }
  const known = error instanceof ApiError ? error : new ApiError('internal_error', { cause: error });
  if (known.blame === 'ours') log.error('stream failed', { error });
  event(openaiErrorBody(known));
  controller?.close();
}
