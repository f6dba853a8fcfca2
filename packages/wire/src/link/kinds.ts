import type { z } from 'zod';
import { nodeHeartbeatSchema } from '../node.ts';
import { answerDownSchemas, answerUpSchemas, type AnswerMessage } from './both.ts';
import { downSchemas, type DownMessage } from './down.ts';
import type { Envelope } from './envelope.ts';
import type { LinkCode } from './limits.ts';
import { agentHeartbeatSchema, upSchemas, type UpMessage } from './up.ts';

export type KindRow = { kind: string; direction: 'up' | 'down' | 'both'; schema: z.ZodType };

const rows = (direction: KindRow['direction'], schemas: Record<string, z.ZodType>): KindRow[] =>
  Object.entries(schemas).map(([kind, schema]) => ({ kind, direction, schema }));

/** Every kind of the link, once. */
export const kinds: readonly KindRow[] = [
  ...rows('up', upSchemas),
  ...rows('down', downSchemas),
  ...rows('both', answerUpSchemas),
];

const byKind = new Map(kinds.map((row) => [row.kind, row]));

/** A kind that both ends list in their features; its payload is theirs to check. */
export type ExtensionMessage = { kind: `x_${string}`; payload: unknown };
export type LinkMessage = UpMessage | DownMessage | AnswerMessage | ExtensionMessage;
export type CheckedMessage = { ok: true; message: LinkMessage } | { ok: false; code: LinkCode; text: string };

function payloadSchema(row: KindRow, envelope: Envelope): z.ZodType {
  // An agent's heartbeat must not pass for the node's, so the sender decides, not the fields.
  if (row.kind === 'heartbeat') return envelope.agent_id === null ? nodeHeartbeatSchema : agentHeartbeatSchema;
  if (row.direction === 'both' && envelope.direction === 'down')
    return answerDownSchemas[row.kind as keyof typeof answerDownSchemas];
  return row.schema;
}

/**
 * Checks kind, direction and payload of an envelope that came in. `from` is the direction of this end of the link:
 * a labman takes `up` from a portman and `down` from a Conplane. `features`: `x_…` kinds that both ends named.
 * Refusals: UNKNOWN_KIND, WRONG_DIRECTION, PAYLOAD_INVALID.
 */
export function checkMessage(
  envelope: Envelope,
  from: 'up' | 'down',
  features: ReadonlySet<string> = new Set(),
): CheckedMessage {
  const { kind } = envelope;
  const row = byKind.get(kind);
  if (row === undefined && !(kind.startsWith('x_') && features.has(kind))) {
    return { ok: false, code: 'UNKNOWN_KIND', text: `the kind ${kind} is not known here` };
  }
  if (envelope.direction !== from || (row !== undefined && row.direction !== 'both' && row.direction !== from)) {
    return { ok: false, code: 'WRONG_DIRECTION', text: `the kind ${kind} does not travel ${from}` };
  }
  if (row === undefined) return { ok: true, message: { kind: kind as `x_${string}`, payload: envelope.payload } };
  const result = payloadSchema(row, envelope).safeParse(envelope.payload ?? {});
  if (result.success) return { ok: true, message: { kind, payload: result.data } as LinkMessage };
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join('.') || 'payload';
  // Long enough to mend the sender, short enough for the 512 characters that an error's text may have.
  return {
    ok: false,
    code: 'PAYLOAD_INVALID',
    text: `${path.slice(0, 200)}: ${(issue?.message ?? 'not valid').slice(0, 200)}`,
  };
}
