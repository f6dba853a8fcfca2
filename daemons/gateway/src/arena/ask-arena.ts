import type { ClientFailure } from '@labmesh/kit/http/client';
import type { ResponseHead } from '@labmesh/kit/http/head';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import type { z } from 'zod';
import type { ArenaClient, ArenaPayer } from './arena-client.ts';

export type ArenaQuestion<T> = {
  path: string;
  schema: z.ZodType<T>;
  bytesMost: number;
  timeoutMs: number;
};

/**
 * One small answer of the arena, whole and checked.
 * @throws ApiError verification_unavailable: nobody answers in time, or what answers is no arena
 */
export function askArena<T>(arena: ArenaClient, payer: ArenaPayer, question: ArenaQuestion<T>): Promise<T> {
  const { path, schema, bytesMost, timeoutMs } = question;
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
          const read = schema.safeParse(parseJson(Buffer.concat(parts).toString('utf8')));
          if (status === 200 && read.success) resolve(read.data);
          else fail(`the arena answered with status ${status}`);
        },
        onFailure: (failure: ClientFailure) => fail(`${failure.reason}: ${failure.detail}`),
      },
    );
  });
}
