/** `node.json` (L3, tunnel K5): what registration settled, so that a restart needs no Conplane, and the pins. */
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { fingerprintField, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';

/** The hub's keys as this node takes them (K5, K8). */
const hubKeys = {
  wireguardPublicKey: wireguardKeyField,
  rosenpassSha256: fingerprintField.nullable(),
  /** What the settings pinned when that hub proved its next key: that pin stands for this key since. */
  rotatedFrom: fingerprintField.optional(),
  /** The same of the WireGuard key. */
  wireguardRotatedFrom: wireguardKeyField.optional(),
  /** The WireGuard key in whose place the hub has put another: no proof that it gave before brings it back. */
  formerWireguard: wireguardKeyField.optional(),
  /** A WireGuard key that the hub has proven to be its next, and that is told as its present one without its proof. */
  awaitedWireguard: wireguardKeyField.optional(),
  /** The keys that the hub has proven to be its next; taken as well until then (Unix ms). */
  next: z
    .object({
      rosenpassSha256: fingerprintField,
      wireguardPublicKey: wireguardKeyField.optional(),
      until: z.int().min(0),
    })
    .optional(),
};

const nodeStateSchema = z.object({
  nodeId: z.string().min(1).max(128),
  /** Own tunnel address, without prefix length. */
  address: z.string().nullable(),
  hub: z
    .object({
      ...hubKeys,
      address: z.string(),
      wireguardEndpoint: z.string(),
      rosenpassEndpoint: z.string().nullable(),
      rosenpassVersion: z.enum(['V02', 'V03']).nullable(),
      rosenpassCiphertext: z.enum(['pc188', 'r4-156']).nullable(),
    })
    .nullable(),
  /** Keys of the hub that there was, while there is none: an answer without a hub must not make the next one the first. */
  pins: z.object(hubKeys).optional(),
  /** The key in whose place the hub has put another, while it is not yet forgotten (K8): a crash leaves it to the next start. */
  retired: fingerprintField.optional(),
});
export type NodeState = z.infer<typeof nodeStateSchema>;
export type HubState = NonNullable<NodeState['hub']>;
export type HubKeys = NonNullable<NodeState['pins']>;

const pathIn = (stateDir: string) => join(stateDir, 'node.json');

/** Undefined before the first registration, and for a file that makes no sense. */
export function readNodeState(stateDir: string): NodeState | undefined {
  const text = readPrivateFile(pathIn(stateDir));
  return text === undefined ? undefined : nodeStateSchema.safeParse(parseJson(text)).data;
}

export const writeNodeState = (stateDir: string, state: NodeState): void =>
  writePrivateFile(pathIn(stateDir), `${JSON.stringify(state, undefined, 2)}\n`);
