import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import { type ChatCompletionRequest, chatCompletionRequestSchema } from '@labmesh/wire/openai';

/** The request as the arena gets it: parsed, without the block, with the model's name that was asked for. */
export function readChatRequest(body: ScannedBody, name: string): ChatCompletionRequest {
  const json = parseJson(Buffer.from(body.bytes).toString('utf8')) as Record<string, unknown>;
  const { verification: _, ...request } = json;
  const read = chatCompletionRequestSchema.safeParse({ ...request, model: name });
  if (!read.success) {
    const issue = read.error.issues[0];
    const param = (issue?.path ?? []).map(String).join('.').slice(0, 200);
    throw new ApiError('invalid_type', { param, message: `'${param}': ${issue?.message ?? 'is not valid'}` });
  }
  if ((read.data.n ?? 1) > 1) {
    throw new ApiError('invalid_value', { param: 'n', message: "'n': one answer at a time can be verified" });
  }
  return read.data;
}
