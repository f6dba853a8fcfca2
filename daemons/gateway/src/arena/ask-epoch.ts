import { arenaEpochSchema } from '@labmesh/wire/verification/arena-run';
import type { ArenaClient, ArenaPayer } from './arena-client.ts';
import { askArena } from './ask-arena.ts';

const bytesMost = 1_024;

/**
 * The word under which the arena's answers for this tenant stand (`GET /v1/epoch`).
 * @throws ApiError verification_unavailable: nobody answers within `timeoutMs`, or what answers is no arena
 */
export async function askEpoch(arena: ArenaClient, payer: ArenaPayer, timeoutMs: number): Promise<string> {
  const question = { path: '/v1/epoch', schema: arenaEpochSchema, bytesMost, timeoutMs };
  return (await askArena(arena, payer, question)).epoch;
}
