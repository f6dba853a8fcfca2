/** The offer of a run that a client asks for by itself, made of its chat request: here, so that it cannot name another payer. */
import { scanBody } from '@labmesh/inference/relay/scan-body';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import { cleanRequestId } from '@labmesh/wire/ids';
import { askedPriority, type Identity, keyIdOf, mayUseSlugs, requireScope, tenantOf } from '../access/authenticate.ts';
import type { ArenaRequest } from './arena-client.ts';
import { type OfferHead, offerBytes } from './offer-bytes.ts';
import type { ModelResolver } from '../resolve.ts';
import { plainBlock, readBlock } from '../verification/decide-verification.ts';
import { readChatRequest } from '../verification/read-chat-request.ts';

export type RunRequestParts = {
  resolver: ModelResolver;
  defaultModel: string | undefined;
  /** Longest run when its request does not say, ms. */
  waitMs: number;
};

/** By itself it is an intercept whose answer comes in the last event. @throws ApiError */
export async function runRequest(
  parts: RunRequestParts,
  identity: Identity,
  exchange: Exchange,
): Promise<Pick<ArenaRequest, 'method' | 'path' | 'contentType' | 'accept' | 'body'>> {
  requireScope(identity, 'chat');
  const body = scanBody(await exchange.body());
  const name = body.model ?? parts.defaultModel;
  if (name === undefined || name === '') throw new ApiError('model_required', { param: 'model' });
  await parts.resolver.resolve(name, mayUseSlugs(identity));
  const block = readBlock(identity, body, true) ?? plainBlock;
  readChatRequest(body, name);
  const head: OfferHead = {
    requestId: cleanRequestId(undefined),
    tenant: tenantOf(identity),
    key: keyIdOf(identity),
    mode: 'intercept',
    block: { ...block, priority: block.priority ?? askedPriority(exchange) },
    deadlineMs: Date.now() + (block.max_wait_ms ?? block.deadline_ms ?? parts.waitMs),
  };
  const bytes = offerBytes(head, body, name);
  return { method: 'POST', path: '/v1/runs', accept: 'application/x-ndjson', body: bytes };
}
