/** Columns of rollouts (AG-9). */
import type { Rollout } from '@labmesh/wire/fleet/resources/rollouts';
import { ago } from '../terminal/span.ts';
import type { View } from './column.ts';

export const rolloutView: View<Rollout> = {
  name: ({ ring }) => `rollout/${ring ?? '*'}`,
  columns: [
    { header: 'RING', value: ({ ring }) => ring ?? '*' },
    { header: 'VERSION', value: ({ version }) => version },
    { header: 'STATE', value: ({ state }) => state, state: true },
    { header: 'DONE', value: ({ done, agents }) => `${done}/${agents}` },
    { header: 'UPDATING', value: ({ updating }) => updating },
    { header: 'WAITING', value: ({ waiting }) => waiting },
    { header: 'AWAY', value: ({ away }) => away },
    { header: 'BAD', value: ({ bad }) => bad },
    { header: 'STARTED', value: ({ startedAt }, now) => ago(startedAt, now) },
    { header: 'LEFT OUT', value: ({ left }) => left, wide: true },
    { header: 'MAX AWAY', value: ({ maxUnavailable }) => maxUnavailable, wide: true },
    { header: 'BY', value: ({ startedBy }) => startedBy, wide: true },
    {
      header: 'BAD AGENTS',
      value: ({ badAgents }) => (badAgents.length === 0 ? undefined : badAgents.join(', ')),
      wide: true,
    },
  ],
};
