import type { ClientFailure } from '@labmesh/kit/http/client';
import type { ResponseHead } from '@labmesh/kit/http/head';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import { arenaEpochSchema } from '@labmesh/wire/verification/arena-run';
import type { ArenaClient, ArenaPayer } from './arena-client.ts';

const bytesMost = 1_024;

/**
 * The word under which the arena's answers for this tenant stand (`GET /v1/epoch`).
 * @throws ApiError verification_unavailable: nobody answers within `timeoutMs`, or what answers is no arena
 */
export function askEpoch(arena: ArenaClient, payer: ArenaPayer, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let status = 0;
    const fail = (log: string) => {
      clearTimeout(timer);
      reject(new ApiError('verification_unavailable', { log: `epoch: ${log}` }));
    };
    const giveUp = (log: string) => {
      call.abort();
      fail(log);
    };
    const timer = setTimeout(() => giveUp(`no answer within ${timeoutMs} ms`), timeoutMs);
    const call = arena.send(
      { ...payer, method: 'GET', path: '/v1/epoch' },
      {
        onHead: (head: ResponseHead) => void (status = head.status),
        onData: (bytes) => {
          size += bytes.length;
          if (size > bytesMost) giveUp('the answer is too long');
          else parts.push(Buffer.from(bytes));
        },
        onEnd: () => {
          clearTimeout(timer);
          const read = arenaEpochSchema.safeParse(parseJson(Buffer.concat(parts).toString('utf8')));
          if (status === 200 && read.success) resolve(read.data.epoch);
          else fail(`the arena answered with status ${status}`);
        },
        onFailure: (failure: ClientFailure) => fail(`${failure.reason}: ${failure.detail}`),
      },
    );
  });
}
