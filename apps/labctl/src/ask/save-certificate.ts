import type { HttpPool } from '@labmesh/kit/http/client';
import { writeWholeFile } from '@labmesh/kit/saved-file';
import { type Api, besideApi } from '../client/api-access.ts';
import { errorOfAnswer } from '../client/api-error.ts';
import { askApi, readText } from '../client/http-answer.ts';

/** As the arena signed it, byte for byte: written anew it might verify no more. @throws CommandError, AnswerError */
export async function saveCertificate(
  pool: HttpPool,
  api: Api,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const where = besideApi(api, `/v1/certificates/${encodeURIComponent(id)}`);
  const answer = await askApi(pool, api, { method: 'GET', path: where, key: api.key }, signal);
  const text = await readText(answer);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, text);
  writeWholeFile(path, text, 0o644);
}
