/** What the host and the program inside the sandbox tell each other, as JSON. */
import { z } from 'zod';

export type GuestJob = {
  schema: unknown;
  values: readonly unknown[];
  /** What one test of a pattern may take. */
  patternMs: number;
};

const problemSchema = z.strictObject({ at: z.string(), keyword: z.string(), error: z.string() });
export type SchemaProblem = z.infer<typeof problemSchema>;

export const guestAnswerSchema = z.union([
  z.strictObject({ results: z.array(z.strictObject({ valid: z.boolean(), problems: z.array(problemSchema) })) }),
  z.strictObject({ timeout: z.literal(true) }),
  /** The schema cannot be used. */
  z.strictObject({ fault: z.string() }),
]);
export type GuestAnswer = z.infer<typeof guestAnswerSchema>;
