import { type ScannedBody, spliceBody } from '@labmesh/inference/relay/scan-body';
import { ApiError } from '@labmesh/wire/errors';
import { arenaLineBytesMost, type RunOffer } from '@labmesh/wire/verification/arena-run';

/** An offer without the request, which goes in as the bytes that the client wrote. */
export type OfferHead = Omit<RunOffer, 'request'>;

/**
 * The JSON of an offer (`RunOffer`). The request is not written anew: its numbers and unknown fields reach the arena as
 * they stand, and a long prompt is not parsed for it. `body` was scanned, so it is one JSON object and no more; its block
 * is cut out, and the model's name put in where it was left out. @throws ApiError request_too_large
 */
export function offerBytes(head: OfferHead, body: ScannedBody, name: string): Buffer {
  const request = spliceBody(body, { model: name, includeUsage: false });
  const text = JSON.stringify(head);
  const bytes = Buffer.concat([Buffer.from(`${text.slice(0, -1)},"request":`), ...request, Buffer.from('}')]);
  if (bytes.length <= arenaLineBytesMost) return bytes;
  const message = `a request that is verified has at most ${arenaLineBytesMost} bytes`;
  throw new ApiError('request_too_large', { message });
}
