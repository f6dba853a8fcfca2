/** How the node stands with its Conplane and its device, for `labman tunnel check`. */
import { z } from 'zod';

export const nodeStatusSchema = z.object({
  /** Null without a Conplane. */
  registration: z
    .object({
      phase: z.enum(['starting', 'registered', 'error', 'pin_mismatch', 'tunnel_address_refused']),
      /** Why it is not registered. */
      detail: z.string().nullable(),
      /** Null before the first registration. */
      nodeId: z.string().nullable(),
    })
    .nullable(),
  tunnel: z.object({ isOpen: z.boolean(), fault: z.string().nullable() }),
});
export type NodeStatus = z.infer<typeof nodeStatusSchema>;
