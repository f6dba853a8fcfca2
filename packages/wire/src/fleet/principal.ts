/**
 * Who acts (LD-8). The first argument of everything that acts; audit rows name it. `system` is labd's own work
 * (reconcilers), with the name of the job; `node` is a site of the network plane, known on the listener for nodes
 * alone; `anonymous` is a stranger. One kind's credential never works as another.
 */
import { z } from 'zod';

export const principalKinds = [
  'user',
  'agent',
  'bastion',
  'service',
  'labd',
  'node',
  'local',
  'system',
  'anonymous',
] as const;

export const principalSchema = z.object({
  kind: z.enum(principalKinds),
  /** uuid for stored identities; `root` for local, the job's name for system, empty for anonymous. */
  id: z.string().max(64),
  name: z.string().max(253),
});
export type Principal = z.infer<typeof principalSchema>;

export const anonymous: Principal = { kind: 'anonymous', id: '', name: 'anonymous' };
/** labd's own work under the name of the job: `system('seed-roles')`. */
export const system = (job: string): Principal => ({ kind: 'system', id: job, name: job });
/** `user:alice`. */
export const principalText = ({ kind, name }: Principal): string => `${kind}:${name}`;
