import type { HttpPool } from '@labmesh/kit/http/client';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import type { Api } from '../client/api-access.ts';
import { errorOfAnswer } from '../client/api-error.ts';
import { askApi, readText } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';

/** Only what is used: other servers' lists hold more, and labmesh's too. */
const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** The model to ask when none was named. @throws CommandError when none is served */
export async function firstModel(pool: HttpPool, api: Api, signal: AbortSignal): Promise<string> {
  const request = { method: 'GET', path: `${api.prefix}/models`, key: api.key };
  const answer = await askApi(pool, api, request, signal);
  const text = await readText(answer);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, text);
  const id = modelListSchema.safeParse(parseJson(text)).data?.data[0]?.id;
  if (id !== undefined) return id;
  throw new CommandError('no model is served', { hint: 'labctl endpoints tells which servers were found' });
}
