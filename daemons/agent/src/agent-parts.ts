import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { AgentOptions } from './agent-options.ts';
import type { AgentIdentity } from './identity/agent-identity.ts';

/** AG-1. */
export type AgentState =
  | 'enrolling'
  | 'disconnected'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'waiting-approval'
  | 'stopped';

export type AgentParts = {
  identity: AgentIdentity;
  options: AgentOptions;
  clock: Clock;
  log: Logger;
  version: string;
  selfCommand: readonly string[];
  /** Ends this process so that it starts again. Absent: it lives in another one's, and is not updated. */
  restart?: () => void;
};
