/** The request of one variation: the client's own, with the sampling values of its place put in. */
import type { ChatCompletionRequest, ChatMessage } from '@labmesh/wire/openai';
import type { Sampling } from '../contract/finished-run.ts';

function withSuffix(messages: readonly ChatMessage[], suffix: string): ChatMessage[] {
  const at = messages.findLastIndex((message) => message.role === 'user');
  const asked = messages[at];
  if (asked === undefined) return [...messages, { role: 'user', content: suffix }];
  const content = Array.isArray(asked.content)
    ? [...asked.content, { type: 'text', text: suffix }]
    : `${asked.content ?? ''}\n\n${suffix}`;
  return messages.with(at, { ...asked, content });
}

/** Tokens that an answer may have: the client's word, else the setting, never above the most. */
export function answerTokens(request: ChatCompletionRequest, usual: number, most: number): number {
  const asked = request.max_completion_tokens ?? request.max_tokens;
  return Math.max(1, Math.min(asked ?? usual, most));
}

/** About four characters a token, for what is reserved before a call and for streams that were cut. */
export const tokensOfChars = (chars: number): number => Math.ceil(chars / 4);

/** Characters of a prompt, tools and images with it. */
export const promptChars = (request: ChatCompletionRequest): number =>
  JSON.stringify(request.messages).length + (request.tools ? JSON.stringify(request.tools).length : 0);

/** @param maxTokens of the answer. One answer is asked for, whole: `n`, `stream` and the client's own limits go. */
export function variationRequest(
  request: ChatCompletionRequest,
  sampling: Sampling,
  maxTokens: number,
): ChatCompletionRequest {
  const {
    n: _n,
    stream: _stream,
    stream_options: _options,
    max_completion_tokens,
    max_tokens: _most,
    ...rest
  } = request;
  const { model, temperature, topP, topK, seed, suffix } = sampling;
  return {
    ...rest,
    model,
    messages: suffix === null ? request.messages : withSuffix(request.messages, suffix),
    // Models that think take only the newer name; whoever used it has one of those.
    ...(typeof max_completion_tokens === 'number' ? { max_completion_tokens: maxTokens } : { max_tokens: maxTokens }),
    ...(temperature !== null && { temperature }),
    ...(topP !== null && { top_p: topP }),
    ...(topK !== null && { top_k: topK }),
    ...(seed !== null && { seed }),
  };
}
