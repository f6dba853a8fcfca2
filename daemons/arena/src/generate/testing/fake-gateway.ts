/** The gateway's chat route as the arena sees it: streams what a script says and keeps count of what became of it. */
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import { engineHeader } from '@labmesh/wire/verification/arena-run';

export type Script = {
  /** Parts of the text, one event each. */
  parts?: readonly string[];
  /** Nothing is sent before. */
  after?: Promise<void>;
  /** Before each part. */
  delayMs?: number;
  /** Sent as they stand, in place of parts. */
  raw?: readonly string[];
  toolCalls?: readonly Record<string, unknown>[];
  /** Absent: as many tokens as parts; null: the engine tells none. */
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  finish?: string;
  /** Ends the connection without [DONE]. */
  cut?: boolean;
  status?: number;
  body?: string;
  /** As the gateway marks it; absent = it tells none. */
  engine?: string;
};

export type Heard = { request: ChatCompletionRequest; headers: Headers; state: 'open' | 'done' | 'aborted' };

const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

export class FakeGateway implements AsyncDisposable {
  readonly heard: Heard[] = [];
  readonly #server: ReturnType<typeof Bun.serve>;
  script: (request: ChatCompletionRequest, call: number) => Script;

  constructor(script: FakeGateway['script'] = () => ({ parts: ['ok'] })) {
    this.script = script;
    this.#server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: (ask) => this.#answer(ask) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  count(state: Heard['state']): number {
    return this.heard.filter((one) => one.state === state).length;
  }

  async #answer(ask: Request): Promise<Response> {
    const request = (await ask.json()) as ChatCompletionRequest;
    const heard: Heard = { request, headers: ask.headers, state: 'open' };
    const call = this.heard.push(heard) - 1;
    const script = this.script(request, call);
    if (script.status !== undefined) {
      heard.state = 'done';
      return new Response(script.body ?? '', { status: script.status, headers: { 'retry-after': '7' } });
    }
    const encoder = new TextEncoder();
    let left = false;
    ask.signal.addEventListener('abort', () => {
      left = true;
      if (heard.state === 'open') heard.state = 'aborted';
    });
    const body = new ReadableStream<Uint8Array>({
      start: async (stream) => {
        await script.after;
        for (const text of chunks(request, script)) {
          if (script.delayMs !== undefined) await Bun.sleep(script.delayMs);
          if (left) return;
          stream.enqueue(encoder.encode(text));
        }
        if (script.cut !== true) stream.enqueue(encoder.encode(event('[DONE]')));
        if (heard.state === 'open') heard.state = 'done';
        stream.close();
      },
      cancel: () => {
        left = true;
        if (heard.state === 'open') heard.state = 'aborted';
      },
    });
    const mark = script.engine === undefined ? {} : { [engineHeader]: script.engine };
    return new Response(body, { headers: { 'content-type': 'text/event-stream', ...mark } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

function* chunks(request: ChatCompletionRequest, script: Script): Generator<string> {
  if (script.raw !== undefined) return yield* script.raw;
  const base = { id: 'chatcmpl-1', created: 1, object: 'chat.completion.chunk', model: `${request.model}-engine` };
  const parts = script.parts ?? [];
  const delta = (value: object, finish_reason: string | null = null) =>
    event({ ...base, choices: [{ index: 0, delta: value, finish_reason }] });
  for (const content of parts) yield delta({ content });
  for (const call of script.toolCalls ?? []) yield delta({ tool_calls: [call] });
  if (script.cut === true) return;
  yield delta({}, script.finish ?? 'stop');
  const usage = script.usage === undefined ? { prompt_tokens: 10, completion_tokens: parts.length } : script.usage;
  if (usage === null) return;
  yield event({
    ...base,
    choices: [],
    usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
  });
}
