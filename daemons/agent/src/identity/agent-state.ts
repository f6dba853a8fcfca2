/** `state.json` beside the identity (AG-3): what labd told when this machine joined. */
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { z } from 'zod';

const stateSchema = z.object({
  version: z.literal(1),
  serverId: z.uuid(),
  agentId: z.uuid(),
  urls: z.array(z.string()).min(1),
  caPin: z.string(),
  /** Unix ms. */
  renewAfter: z.number(),
});
export type AgentState = z.infer<typeof stateSchema>;

/** Undefined when this machine never joined. @throws Error for damage, with the way out. */
export function readState(folder: string): AgentState | undefined {
  const path = join(folder, 'state.json');
  const text = readPrivateFile(path);
  if (text === undefined) return undefined;
  const state = stateSchema.safeParse(parseJson(text));
  if (!state.success) throw new Error(`${path} is damaged; remove it and enrol again with a new token`);
  return state.data;
}

export const saveState = (folder: string, state: AgentState): void =>
  writePrivateFile(join(folder, 'state.json'), `${JSON.stringify(state, null, 1)}\n`);
