import { expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import type { AnswerHead } from './answers.ts';
import { streamAnswer } from './stream-answer.ts';

const head: AnswerHead = { kind: 'chat', id: 'chatcmpl-1', created: 1, model: 'm', includeUsage: false };

test('a client that goes aborts the generation', async () => {
  const aborted = Promise.withResolvers<void>();
  await using server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      const run = (signal: AbortSignal, onText: (text: string) => void) => {
        onText('first');
        return new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted.resolve();
            reject(signal.reason as Error);
          }),
        );
      };
      return streamAnswer(head, request.signal, run, silentLogger);
    },
  });
  const client = new AbortController();
  const response = await fetch(`http://127.0.0.1:${server.port}/`, { signal: client.signal });
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('assistant');
  client.abort();
  await aborted.promise;
});

test('an error after the head is an error event without [DONE]', async () => {
  const run = () => Promise.reject(new Error('at /home/someone/secret'));
  const text = await streamAnswer(head, new AbortController().signal, run, silentLogger).text();
  expect(text).toContain('"code":"internal_error"');
  expect(text).not.toContain('secret');
  expect(text).not.toContain('[DONE]');
});
