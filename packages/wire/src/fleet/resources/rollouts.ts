/** Rollouts of agent versions (AG-9): one a ring, standing until another takes its place or it is ended. */
import { z } from 'zod';
import { releaseVersionField } from '../releases.ts';
import { timeField } from './fields.ts';

/** Value of the label `ring` of servers that belong to it. */
const ringField = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[A-Za-z0-9._-]+$/, 'is not the name of a ring');
/** `10%` or a number; at least one agent in any case. */
const shareField = z.string().regex(/^(\d{1,5}|100%|\d{1,2}%)$/, 'is neither a number nor a share such as 10%');

export const startRolloutSchema = z
  .object({
    /** Null ends the rollout; agents stay at what they run. */
    version: releaseVersionField.nullable(),
    /** Default: every agent that no other rollout's ring names. */
    ring: ringField.optional(),
    /** Agents that may be updating, or away since it began, at once. */
    maxUnavailable: shareField.default('10%'),
    now: z.boolean().default(false),
    /** Agents with a newer version go back to it too. */
    downgrade: z.boolean().default(false),
  })
  .strict();
export type StartRollout = z.infer<typeof startRolloutSchema>;

/** `halted`: as many agents came back with the old version as may be away; nobody else is asked to try it. */
export const rolloutStates = ['running', 'halted', 'done'] as const;

export const rolloutSchema = z.object({
  ring: z.string().nullable(),
  version: z.string(),
  state: z.enum(rolloutStates),
  maxUnavailable: z.string(),
  startedAt: timeField,
  startedBy: z.string(),
  /** Agents that it is about; the next six add up to it. */
  agents: z.int().min(0),
  /** At this version, or a newer one. */
  done: z.int().min(0),
  /** Tried it and went back. */
  bad: z.int().min(0),
  updating: z.int().min(0),
  waiting: z.int().min(0),
  /** Not connected, and not at this version. */
  away: z.int().min(0),
  /** Pinned to another version, or `agent.update = false` there. */
  left: z.int().min(0),
  /** Host names of the first bad ones. */
  badAgents: z.array(z.string()),
});
export type Rollout = z.infer<typeof rolloutSchema>;
export const rolloutsSchema = z.object({ items: z.array(rolloutSchema) });
