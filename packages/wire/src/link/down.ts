/** Directives: payloads that travel Conplane → labman → portman. Unknown fields are passed on, but for registry entries. */
import { z } from 'zod';
import {
  countField,
  idField,
  modelIdField,
  rolesField,
  slotsField,
  slugField,
  textField,
  timestampField,
} from './fields.ts';

/** `directive_id` makes a directive idempotent; after `deadline` it is not begun. */
const directive = { directive_id: idField, deadline: timestampField.optional() };
const grace = (maxS: number, defaultS: number) => z.number().int().min(0).max(maxS).default(defaultS);

const preloadModel = z.looseObject({
  ...directive,
  model_id: modelIdField,
  device: idField.optional(),
  keep_s: z.number().int().min(0).max(86_400).optional(),
});

const evictModel = z.looseObject({
  ...directive,
  model_id: modelIdField,
  device: idField.optional(),
  grace_s: grace(600, 60),
  /** Obeyed only where the operator set `directives.force`. */
  force: z.boolean().optional(),
});

/** Reserves slots for a slug; 0 frees them. */
const assignWorkload = z.looseObject({
  ...directive,
  slug: slugField,
  slots: slotsField,
  until: timestampField.optional(),
  priority: z.enum(['low', 'normal', 'high']).optional(),
});

/** Entries are cut to these fields: a path, URL, flag or new model can never come down this way. */
const registryEntry = z.object({
  model_id: modelIdField,
  roles: rolesField.optional(),
  priority: z.number().int().min(0).max(100).optional(),
  keep_loaded: z.boolean().optional(),
});
/** An older `rev` than the last one is refused (STALE_REVISION). */
const updateRegistry = z.looseObject({ ...directive, rev: countField, entries: z.array(registryEntry).max(512) });

const drain = z
  .looseObject({
    ...directive,
    scope: z.enum(['agent', 'model', 'node']),
    model_id: modelIdField.optional(),
    grace_s: grace(3_600, 300),
    /** True lifts the drain. */
    resume: z.boolean().optional(),
  })
  .refine((value) => value.scope !== 'model' || value.model_id !== undefined, {
    path: ['model_id'],
    message: 'expected with scope model',
  });

/** Drains, then restarts portman's engines; not the machine, not labman. */
const restartAgent = z.looseObject({ ...directive, reason: textField, grace_s: grace(600, 60) });

export const downSchemas = {
  preload_model: preloadModel,
  evict_model: evictModel,
  assign_workload: assignWorkload,
  update_registry: updateRegistry,
  drain,
  restart_agent: restartAgent,
} as const;
export type DownKind = keyof typeof downSchemas;
/** Everything that goes down, by kind. */
export type DownMessage = { [K in DownKind]: { kind: K; payload: z.infer<(typeof downSchemas)[K]> } }[DownKind];
