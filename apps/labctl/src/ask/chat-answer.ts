import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { errorOfAnswer } from '../client/api-error.ts';

/** Loose on purpose: other servers leave fields out or set them null, and name thoughts either way. */
const chunkSchema = z.object({
  id: z.string().optional(),
  created: z.number().optional(),
  model: z.string().optional(),
  choices: z
    .array(
      z.object({
        delta: z
          .object({
            content: z.string().nullish(),
            reasoning_content: z.string().nullish(),
            reasoning: z.string().nullish(),
          })
          .nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .default([]),
  usage: z.record(z.string(), z.unknown()).nullish(),
});

export type ChatDelta = { reasoning: string; content: string };

/** The pieces of a streamed chat completion, put together as the API would have given it whole. */
export class ChatAnswer {
  #id = '';
  #created = 0;
  #model: string;
  #content = '';
  #reasoning = '';
  #finishReason: string | null = null;
  #usage: Record<string, unknown> | undefined;

  constructor(model: string) {
    this.#model = model;
  }

  /** False while no finish_reason came: then the answer broke off. */
  get complete(): boolean {
    return this.#finishReason !== null;
  }

  /** Takes the data of one event; gives what is new. @throws CommandError for an error that came in the stream. */
  add(data: string): ChatDelta {
    if (data === '[DONE]') return { reasoning: '', content: '' };
    const json = parseJson(data);
    if (typeof json === 'object' && json !== null && 'error' in json) throw errorOfAnswer(200, data);
    const chunk = chunkSchema.safeParse(json).data;
    if (chunk === undefined) throw new CommandError('the API sent an event that is no chat completion');
    // The first event names the answer. Usage may come after the last choice, in an event without one.
    this.#id ||= chunk.id ?? '';
    this.#created ||= chunk.created ?? 0;
    this.#model = chunk.model ?? this.#model;
    this.#usage = chunk.usage ?? this.#usage;
    const choice = chunk.choices[0];
    this.#finishReason = choice?.finish_reason ?? this.#finishReason;
    const content = choice?.delta?.content ?? '';
    const reasoning = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '';
    this.#content += content;
    this.#reasoning += reasoning;
    return { reasoning, content };
  }

  /** In the form of OpenAI's `chat.completion`. */
  toJSON() {
    const reasoning = this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning };
    return {
      id: this.#id,
      object: 'chat.completion',
      created: this.#created,
      model: this.#model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: this.#content, ...reasoning },
          finish_reason: this.#finishReason,
        },
      ],
      ...(this.#usage !== undefined && { usage: this.#usage }),
    };
  }
}
