/** Whether and how an answer is verified (gateway G-30): the request says, else its key, else its alias, else the gateway. */
import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import { holdsProto, parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import {
  type VerificationBlock,
  verificationBlockSchema,
  type VerificationMode,
} from '@labmesh/wire/verification/verification-block';
import { type Identity, requireScope } from '../access/authenticate.ts';

/** What is to be done with an answer; `passthrough` is told by there being none of this. */
export type Decided = { mode: Exclude<VerificationMode, 'passthrough'>; block: VerificationBlock };

/** What a request without a block is verified by. */
export const plainBlock: VerificationBlock = verificationBlockSchema.parse({});

/**
 * Undefined = relay only, which costs a look at two fields. `verifiable`: the route's answers can be; `mode` is of the
 * alias or the gateway. The mode that an operator gave a key needs no scope.
 * @throws ApiError insufficient_scope, verification_bad_option with the field
 */
export function decideVerification(
  identity: Identity,
  body: ScannedBody,
  verifiable: boolean,
  mode: VerificationMode,
): Decided | undefined {
  // The arena's own calls are never verified: that would have no end.
  if (identity.type === 'internal') return undefined;
  const block = body.verification === undefined ? undefined : readBlock(identity, body, verifiable);
  const keyMode = identity.type === 'key' ? identity.key.verification : undefined;
  const decided = block?.mode ?? keyMode ?? mode;
  if (decided === 'passthrough' || !verifiable) return undefined;
  return { mode: decided, block: block ?? plainBlock };
}

/**
 * The block of a request; undefined without one, and for null, which clients send for fields they leave out.
 * @throws ApiError insufficient_scope, verification_bad_option with the field
 */
export function readBlock(identity: Identity, body: ScannedBody, verifiable: boolean): VerificationBlock | undefined {
  if (body.verification === undefined) return undefined;
  const { start, end } = body.verification;
  const text = Buffer.from(body.bytes.buffer, body.bytes.byteOffset + start, end - start).toString('utf8');
  if (text === 'null') return undefined;
  requireScope(identity, 'verify');
  const bad = (param: string, message: string) => new ApiError('verification_bad_option', { param, message });
  if (!verifiable) throw bad('verification', 'only answers of /v1/chat/completions can be verified');
  const json = parseJson(text);
  // With it a part of what is asked for would be gone, such as a rule of the schema for answers.
  if (holdsProto(json)) throw bad('verification', "'verification': a member cannot be called __proto__");
  const read = verificationBlockSchema.safeParse(json);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = ['verification', ...(issue?.path ?? []), ...unknown].map(String).join('.').slice(0, 200);
  throw bad(
    param,
    `'${param}': ${unknown.length > 0 ? 'there is no such option' : (issue?.message ?? 'is not valid')}`,
  );
}
