import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import type { z } from 'zod';
import type { ArenaClient, ArenaPayer } from './arena-client.ts';
import { type ArenaFetch, fetchArena } from './fetch-arena.ts';

export type ArenaQuestion<T> = ArenaFetch & { schema: z.ZodType<T> };

/**
 * One small answer of the arena, whole and checked.
 * @throws ApiError verification_unavailable: nobody answers in time, or what answers is no arena
 */
export async function askArena<T>(arena: ArenaClient, payer: ArenaPayer, question: ArenaQuestion<T>): Promise<T> {
  const { status, bytes } = await fetchArena(arena, payer, question);
  const read = question.schema.safeParse(parseJson(bytes.toString('utf8')));
  if (status === 200 && read.success) return read.data;
  const log = `${question.path}: the arena answered with status ${status}`;
  throw new ApiError('verification_unavailable', { log });
}
