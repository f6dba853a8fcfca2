import type { ClientFailure } from '@labmesh/kit/http/client';
import type { ResponseHead } from '@labmesh/kit/http/head';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient, ArenaPayer } from './arena-client.ts';

export type ArenaFetch = { path: string; bytesMost: number; timeoutMs: number };

/**
 * One answer of the arena in one piece, whatever its status.
 * @throws ApiError verification_unavailable: nobody answers in time, or more than `bytesMost`
 */
export function fetchArena(
  arena: ArenaClient,
  payer: ArenaPayer,
  { path, bytesMost, timeoutMs }: ArenaFetch,
): Promise<{ status: number; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let status = 0;
    const fail = (log: string) => {
      clearTimeout(timer);
      reject(new ApiError('verification_unavailable', { log: `${path}: ${log}` }));
    };
    const giveUp = (log: string) => {
      call.abort();
      fail(log);
    };
    const timer = setTimeout(() => giveUp(`no answer within ${timeoutMs} ms`), timeoutMs);
    const call = arena.send(
      { ...payer, method: 'GET', path },
      {
        onHead: (head: ResponseHead) => void (status = head.status),
        onData: (bytes) => {
          size += bytes.length;
          if (size > bytesMost) giveUp('the answer is too long');
          else parts.push(Buffer.from(bytes));
        },
        onEnd: () => {
          clearTimeout(timer);
          resolve({ status, bytes: Buffer.concat(parts) });
        },
        onFailure: (failure: ClientFailure) => fail(`${failure.reason}: ${failure.detail}`),
      },
    );
  });
}
