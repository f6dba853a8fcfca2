/** From the words of `get` and `describe` to a type and the names that are meant. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseSelection } from '../grammar/resource-ref.ts';
import type { ResourceType } from '../grammar/resource-type.ts';
import { aliasResource, keyResource } from './gateway/gateway-resources.ts';
import { agentResource, serverResource } from './server-resources.ts';
import { nodeResource } from './node-resources.ts';
import { bindingResource, permissionResource, roleResource, tokenResource, userResource } from './people-resources.ts';
import {
  bastionResource,
  certificateResource,
  machineResource,
  recordingResource,
  replicaResource,
  sessionResource,
} from './record-resources.ts';
import { type AnyResource, anyResource, pluralOf } from './resource.ts';

const byType: Partial<Record<ResourceType, AnyResource>> = {
  server: anyResource(serverResource),
  agent: anyResource(agentResource),
  user: anyResource(userResource),
  role: anyResource(roleResource),
  permission: anyResource(permissionResource),
  binding: anyResource(bindingResource),
  token: anyResource(tokenResource),
  certificate: anyResource(certificateResource),
  session: anyResource(sessionResource),
  recording: anyResource(recordingResource),
  bastion: anyResource(bastionResource),
  machine: anyResource(machineResource),
  node: anyResource(nodeResource),
  key: anyResource(keyResource),
  alias: anyResource(aliasResource),
};
/** Of labd itself; no access rule names one, so the grammar does not know them as a type (CT-2). */
const replicas = anyResource(replicaResource);
const replicaWord = /^replicas?(?:\/|$)/i;

/** For completion and hints. */
export const listedTypes: readonly string[] = [...Object.keys(byType).map(pluralOf), 'replicas'];

export type Found = { resource: AnyResource; names: string[] };

function replicaNames(words: readonly string[]): string[] {
  const [first = '', ...more] = words;
  const named = first.includes('/') ? first.slice(first.indexOf('/') + 1) : undefined;
  const names = [...(named === undefined ? [] : [named]), ...more].flatMap((word) => word.split(','));
  if (!names.includes('')) return names;
  throw new CommandError('the name of the replica is empty', { exitCode: exitCodes.usage });
}

/** @throws CommandError (exit 2) */
export function findResource(words: readonly string[]): Found {
  if (replicaWord.test(words[0] ?? '')) return { resource: replicas, names: replicaNames(words) };
  const { type, refs } = parseSelection(words);
  const resource = byType[type];
  if (resource !== undefined) return { resource, names: refs.map(({ name }) => name) };
  throw new CommandError(`${pluralOf(type)} cannot be listed here`, {
    hint: `types: ${listedTypes.join(', ')}`,
    exitCode: exitCodes.usage,
  });
}
