/** What engines say that honour seeds, ignore them, or leave nothing to chance. */
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { Script } from './fake-gateway.ts';

let drawn = 0;

/** One answer a seed. */
export const honouring = ({ seed }: ChatCompletionRequest): Script => ({ parts: [`drawn by ${seed}`] });
/** Another answer each time. */
export const ignoring = (_: ChatCompletionRequest): Script => ({ parts: [`draw ${++drawn}`] });
export const constant = (_: ChatCompletionRequest): Script => ({ parts: ['always'] });
