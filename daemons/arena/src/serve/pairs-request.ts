/** What requests for preference data are made of, read with care: who asks, pages, names in paths, bodies. */
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import { datasetLimits } from '@labmesh/wire/verification/datasets';
import type { Context } from 'hono';
import { z } from 'zod';
import { PairsError } from '../pairs/pairs-error.ts';

/** Bytes of a request's body. */
const bodyBytesMost = 64 * 1024;
const textCharsMost = 200;

/** PostgreSQL takes no NUL. */
export const textField = z
  .string()
  .min(1)
  .max(textCharsMost)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u);

export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(datasetLimits.pageMost).default(50),
  cursor: z.string().max(512).optional(),
});

type Missing = 'TRIPLET_NOT_FOUND' | 'DATASET_NOT_FOUND' | 'BATCH_NOT_FOUND';

/** Id of the key that asks. */
export const authorOf = (context: Context): string => context.req.header(keyHeader)?.slice(0, textCharsMost) ?? '';

/** @throws PairsError VALIDATION_FAILED with the first fault; what was sent is not repeated */
export function parse<S extends z.ZodType>(schema: S, given: unknown): z.output<S> {
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const field = issue === undefined ? undefined : issue.path.map(String).join('.') || undefined;
  const why = issue?.code === 'unrecognized_keys' ? 'holds a field that is unknown here' : 'is not valid';
  throw new PairsError('VALIDATION_FAILED', `${field ?? 'the request'} ${why}`, field);
}

/** @throws PairsError TENANT_MISSING */
export const whose = (context: Context): string => {
  const tenant = context.req.header(tenantHeader);
  if (tenant === undefined || tenant === '' || tenant.length > textCharsMost) {
    throw new PairsError('TENANT_MISSING', 'the request is of no tenant');
  }
  return tenant;
};

/** Names in paths: what cannot be one is not there. */
export function inPath(context: Context, name: string, code: Missing): string {
  const { data } = textField.safeParse(context.req.param(name));
  if (data === undefined) throw new PairsError(code, 'there is no such thing');
  return data;
}

/** A body that may lie about its length; `none` stands for an empty one. @throws PairsError BODY_TOO_LARGE, VALIDATION_FAILED */
export async function jsonBody(request: Request, none?: unknown): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > bodyBytesMost) throw new PairsError('BODY_TOO_LARGE', `a body has at most ${bodyBytesMost} bytes`);
    chunks.push(chunk);
  }
  if (size === 0 && none !== undefined) return none;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new PairsError('VALIDATION_FAILED', 'the body is no JSON');
  }
}
