/** `node.json` (L3, tunnel K5): what registration settled, so that a restart needs no Conplane, and the pins. */
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { fingerprintField, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';

const nodeStateSchema = z.object({
  nodeId: z.string().min(1).max(128),
  /** Own tunnel address, without prefix length. */
  address: z.string().nullable(),
  hub: z
    .object({
      address: z.string(),
      wireguardPublicKey: wireguardKeyField,
      wireguardEndpoint: z.string(),
      rosenpassSha256: fingerprintField.nullable(),
      rosenpassEndpoint: z.string().nullable(),
      rosenpassVersion: z.enum(['V02', 'V03']).nullable(),
      rosenpassCiphertext: z.enum(['pc188', 'r4-156']).nullable(),
    })
    .nullable(),
  /** Keys of the hub that there was, while there is none: an answer without a hub must not make the next one the first. */
  pins: z.object({ wireguardPublicKey: wireguardKeyField, rosenpassSha256: fingerprintField.nullable() }).optional(),
});
export type NodeState = z.infer<typeof nodeStateSchema>;
export type HubState = NonNullable<NodeState['hub']>;

const pathIn = (stateDir: string) => join(stateDir, 'node.json');

/** Undefined before the first registration, and for a file that makes no sense. */
export function readNodeState(stateDir: string): NodeState | undefined {
  const text = readPrivateFile(pathIn(stateDir));
  return text === undefined ? undefined : nodeStateSchema.safeParse(parseJson(text)).data;
}

export const writeNodeState = (stateDir: string, state: NodeState): void =>
  writePrivateFile(pathIn(stateDir), `${JSON.stringify(state, undefined, 2)}\n`);
