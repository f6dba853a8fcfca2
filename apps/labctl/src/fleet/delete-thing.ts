/** What `delete` does to each type, and what the question before it says. */
import type { LabdClient } from '../client/labd-client.ts';
import type { ResourceType } from '../grammar/resource-type.ts';

type Deletion = { consequence: string; act: (labd: LabdClient, name: string) => Promise<unknown> };

const deletions = {
  server: {
    consequence: ', retire it and revoke the certificate of its agent',
    act: (labd, name) => labd.call('delete-server', { params: { id: name } }),
  },
  agent: {
    consequence: ' and revoke its certificate; it may join again with a token',
    act: (labd, name) => labd.call('delete-agent', { params: { id: name } }),
  },
  user: {
    consequence: ', end its sessions and revoke its certificates',
    act: (labd, name) => labd.call('delete-user', { params: { id: name } }),
  },
  role: {
    consequence: ' and take it from everybody who holds it',
    act: (labd, name) => labd.call('delete-role', { params: { id: name } }),
  },
  binding: {
    consequence: ' and take the role away',
    act: (labd, name) => labd.call('delete-binding', { params: { id: name } }),
  },
  node: {
    consequence: ' and take its tunnel away; it comes back with its token unless that is revoked, or it is banned',
    act: (labd, name) => labd.call('delete-node', { params: { id: name } }),
  },
} as const satisfies Partial<Record<ResourceType, Deletion>>;

export type DeletableType = keyof typeof deletions;
export const deletableTypes = Object.keys(deletions) as readonly DeletableType[];

/** @throws Error for a type that is not deletable: `thingsOf` has checked it. */
export function deletionOf(type: ResourceType): Deletion {
  const found: Deletion | undefined = (deletions as Partial<Record<ResourceType, Deletion>>)[type];
  if (found === undefined) throw new Error(`${type} is not deletable`);
  return found;
}
