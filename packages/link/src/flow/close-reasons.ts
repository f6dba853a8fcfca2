/** What a CLOSE means for the session behind the channel. */
import type { CloseReason } from '@labmesh/wire/frame/frame-types';

/** The attachment is gone further on, the session is not: the opener resumes. */
export const cutReasons: ReadonlySet<CloseReason> = new Set(['link-lost', 'peer-lost']);
/** In answer to RESUME: not now or not here, but another try may work. */
export const retryReasons: ReadonlySet<CloseReason> = new Set([
  ...cutReasons,
  'agent-offline',
  'audit-unavailable',
  'limit',
]);
