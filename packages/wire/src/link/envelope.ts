/** The envelope around every link message (network plane W3, W7). */
import { z } from 'zod';
import { uuidv7 } from '../ids.ts';
import { idField, timestampField } from './fields.ts';
import { linkLimits } from './limits.ts';

const directions = { up: 'up', upstream: 'up', down: 'down', downstream: 'down' } as const;
export type Direction = 'up' | 'down';

export const envelopeSchema = z.object({
  /** Unique per sender; ours are UUIDv7. */
  msg_id: z.string().min(1).max(128),
  site_id: idField.nullish().transform((id) => id ?? null),
  /** Null in the node's own messages. */
  agent_id: idField.nullish().transform((id) => id ?? null),
  /** The long spellings of classic labman are read, never written. */
  direction: z.enum(['up', 'upstream', 'down', 'downstream']).transform((word): Direction => directions[word]),
  kind: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'expected a snake_case name'),
  ts: timestampField.nullish().transform((ts) => ts ?? null),
  payload: z.unknown().optional(),
});
export type Envelope = z.infer<typeof envelopeSchema>;

export type ParsedEnvelope = { ok: true; envelope: Envelope } | { ok: false; reply: string; reason: string };

/** The answer to a frame that cannot be read, byte for byte as W7 has it but for the message. */
export function localError(reason: string): string {
  return JSON.stringify({
    msg_id: 'local-error',
    site_id: null,
    agent_id: null,
    direction: 'down',
    kind: 'error',
    ts: null,
    payload: { code: 'INVALID_ENVELOPE', message: reason },
  });
}

/** Deepest nesting of a JSON text, told without building it; stops counting above `max`. */
function depthAbove(text: string, max: number): boolean {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inText) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inText = false;
    } else if (c === 0x22) inText = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > max) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}

const utf8 = new TextEncoder();
/** A UTF-16 unit is at most 3 bytes of UTF-8, so most frames need no encoding to be measured. */
const tooLarge = (text: string) =>
  text.length > linkLimits.LINK_FRAME ||
  (text.length * 3 > linkLimits.LINK_FRAME && utf8.encode(text).length > linkLimits.LINK_FRAME);

function fault(text: string): string | Envelope {
  if (tooLarge(text)) return `the frame is larger than ${linkLimits.LINK_FRAME} bytes`;
  if (depthAbove(text, linkLimits.LINK_DEPTH)) return `the frame is nested deeper than ${linkLimits.LINK_DEPTH} levels`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'the frame is not JSON';
  }
  const result = envelopeSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  return `${issue?.path.join('.') || 'envelope'}: ${issue?.message ?? 'not valid'}`;
}

/** Reads one text frame. Never throws: what cannot be read gives the W7 reply to send back. */
export function parseEnvelope(text: string): ParsedEnvelope {
  const read = fault(text);
  return typeof read === 'string' ? { ok: false, reply: localError(read), reason: read } : { ok: true, envelope: read };
}

/** Makes a frame. Fields in W3's order; `msg_id` and `ts` are filled when absent. */
export function writeEnvelope(given: {
  direction: Direction;
  kind: string;
  payload: unknown;
  msg_id?: string;
  site_id?: string | null;
  agent_id?: string | null;
  ts?: string;
}): string {
  const {
    msg_id = uuidv7(),
    site_id = null,
    agent_id = null,
    direction,
    kind,
    ts = new Date().toISOString(),
    payload,
  } = given;
  return JSON.stringify({ msg_id, site_id, agent_id, direction, kind, ts, payload });
}
