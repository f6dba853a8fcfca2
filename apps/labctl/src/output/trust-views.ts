/** Columns of labd's own state: replicas, keys of the CA and of the store, verified chains (CT-6). */
import type {
  caStatusSchema,
  replicaSchema,
  secretKeySchema,
  VerifiedAudit,
} from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import { ago, until } from '../terminal/span.ts';
import type { View } from './column.ts';

type Replica = z.infer<typeof replicaSchema>;
type SecretKey = z.infer<typeof secretKeySchema>;
type CaKey = z.infer<typeof caStatusSchema>['keys'][number];
type VerifiedChain = VerifiedAudit['chains'][number];

export const replicaView: View<Replica> = {
  name: ({ id }) => `replica/${id}`,
  columns: [
    { header: 'ID', value: ({ id }) => id },
    { header: 'STATE', value: ({ live }) => (live ? 'live' : 'lost'), state: true },
    { header: 'VERSION', value: ({ version }) => version },
    { header: 'STARTED', value: ({ startedAt }, now) => ago(startedAt, now) },
    { header: 'LAST SEEN', value: ({ seenAt }, now) => ago(seenAt, now) },
    { header: 'AGENT URL', value: ({ agentUrl }) => agentUrl ?? undefined, wide: true },
  ],
};

export const secretKeyView: View<SecretKey> = {
  name: ({ id }) => `secret-key/${id}`,
  columns: [
    { header: 'KEY', value: ({ id }) => id },
    { header: 'STATE', value: ({ state }) => state, state: true },
    { header: 'CREATED', value: ({ createdAt }, now) => ago(createdAt, now) },
    { header: 'CHANGED', value: ({ updatedAt }, now) => ago(updatedAt, now) },
  ],
};

export const caKeyView: View<CaKey> = {
  name: ({ id }) => `ca-key/${id}`,
  columns: [
    { header: 'KEY', value: ({ id }) => id },
    { header: 'ROLE', value: ({ role }) => role },
    { header: 'PHASE', value: ({ phase }) => phase },
    { header: 'EXPIRES', value: ({ notAfter }, now) => until(notAfter, now) },
    { header: 'SHA-256', value: ({ keyHash }) => keyHash.slice(0, 16) },
  ],
};

export const chainView: View<VerifiedChain> = {
  name: ({ chain }) => `chain/${chain}`,
  columns: [
    { header: 'CHAIN', value: ({ chain }) => chain },
    { header: 'ROWS', value: ({ rows }) => rows },
    { header: 'FROM', value: ({ fromSeq }) => fromSeq },
    { header: 'TO', value: ({ toSeq }) => toSeq },
    { header: 'RESULT', value: ({ fault }) => (fault === null ? 'ok' : 'failed'), state: true },
    { header: 'FAULT', value: ({ fault }) => (fault === null ? undefined : `${fault.kind} at seq ${fault.seq}`) },
  ],
};
