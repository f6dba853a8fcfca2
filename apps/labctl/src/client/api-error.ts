import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';

const toldSchema = z.object({ message: z.string(), code: z.union([z.string(), z.number()]).nullish() });
const requestSchema = z.object({ request_id: z.string().optional() });
/** OpenAI's error form, where other servers send a number as code; or the arena's, whose `error` is a title. */
const errorBodySchema = z.union([
  requestSchema.extend({ error: toldSchema }),
  requestSchema
    .extend({ error: z.string(), ...toldSchema.shape })
    .transform(({ message, code, request_id }) => ({ error: { message, code }, request_id })),
]);

/** The way out by error code; codes that are not here speak for themselves. */
const hints: Readonly<Record<string, string>> = {
  invalid_api_key: 'make a key with labctl keys create, and give it with --key or LABMESH_API_KEY',
  insufficient_scope: 'use a key with more scopes; labctl keys list shows them',
  model_not_found: 'labctl models lists what is served',
  no_endpoint_available: 'labctl endpoints tells why',
  key_not_found: 'labctl keys list shows the ids',
};

/** What an answer with an error status says, for a person; any text is taken. */
export function errorOfAnswer(status: number, text: string): CommandError {
  const read = errorBodySchema.safeParse(parseJson(text)).data;
  if (read === undefined) {
    return new CommandError(`the API answered with status ${status}`, { hint: 'is it a labmesh or OpenAI API?' });
  }
  const code = read.error.code ?? undefined;
  const id = read.request_id === undefined ? '' : `, request ${read.request_id}`;
  return new CommandError(`${read.error.message}${code === undefined ? '' : ` (${code}${id})`}`, {
    hint: hints[String(code)],
  });
}
