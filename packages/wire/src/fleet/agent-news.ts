/**
 * MSG `desired` of labd to agents that stay connected: what HELLO_OK or enrolment told them and is another by now. Each
 * field stands alone; what is absent has not changed.
 */
import { z } from 'zod';

export const agentNewsSchema = z.object({
  /** Agent URLs of the other live replicas (RP-2). */
  agentUrls: z.array(z.url().max(2_048)).max(64).optional(),
  /** The roots to trust from now on (CA-10), PEM. */
  bundlePem: z.string().max(32_768).optional(),
  /** As in HELLO_OK: the fleet has grown or shrunk. */
  retryAfterMaxMs: z.int().min(0).max(600_000).optional(),
});
export type AgentNews = z.infer<typeof agentNewsSchema>;
