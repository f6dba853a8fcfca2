/** What engines say that honour seeds, ignore them, or leave nothing to chance; each on a machine of the operator's. */
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { Script } from './fake-gateway.ts';

/** A mark of the gateway's. */
export const markOf = (name: string, whose: 'own' | 'other' = 'own'): string =>
  `${whose}-${Buffer.from(name.padEnd(16, '_')).toString('hex').slice(0, 32)}`;

let drawn = 0;
const by = ({ model }: ChatCompletionRequest) => ({ engine: markOf(model) });

/** One answer a seed. */
export const honouring = (request: ChatCompletionRequest): Script => ({
  parts: [`drawn by ${request.seed}`],
  ...by(request),
});
/** Another answer each time. */
export const ignoring = (request: ChatCompletionRequest): Script => ({ parts: [`draw ${++drawn}`], ...by(request) });
export const constant = (request: ChatCompletionRequest): Script => ({ parts: ['always'], ...by(request) });
