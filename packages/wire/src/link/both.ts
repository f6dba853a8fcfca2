/** Answers: payloads that travel either way. Exactly one ack or error comes back for each msg_id that wants one (D1). */
import { z } from 'zod';
import { idField, textField, timestampField } from './fields.ts';
import { linkCodes } from './limits.ts';

const msgId = z.string().min(1).max(128);

const ack = z.object({
  ref_msg_id: msgId,
  directive_id: idField.optional(),
  status: z.enum(['accepted', 'done', 'duplicate']),
  next_heartbeat_s: z.number().min(5).max(120).optional(),
  /** Only `maintenance` and `running` are obeyed (M3). */
  requested_state: z.string().max(64).optional(),
  server_time: timestampField.optional(),
});

const error = z.object({
  ref_msg_id: msgId.optional(),
  directive_id: idField.optional(),
  code: z.enum(linkCodes),
  message: textField,
  /** Absent in the answer to a frame that could not be read (W7). */
  retryable: z.boolean().default(false),
  retry_after_s: z.number().min(0).optional(),
});

/** Going up, where unknown fields are dropped. */
export const answerUpSchemas = { ack, error } as const;
/** Going down, where they are passed on. */
export const answerDownSchemas = { ack: ack.loose(), error: error.loose() } as const;
export type AnswerKind = keyof typeof answerUpSchemas;
export type AnswerMessage = {
  [K in AnswerKind]: { kind: K; payload: z.infer<(typeof answerUpSchemas)[K]> };
}[AnswerKind];
