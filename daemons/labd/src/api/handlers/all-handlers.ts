/** The handlers of all operations; tsc holds that none is missing. Each area names the parts that it uses. */
import type { Handlers } from '../handler.ts';
import { type NetworkHandlerParts, networkHandlers } from '../nodes/network-handlers.ts';
import { type AgentHandlerParts, agentHandlers } from './agent-handlers.ts';
import { type ArtifactHandlerParts, artifactHandlers } from './artifact-handlers.ts';
import { type AuditHandlerParts, auditHandlers } from './audit-handlers.ts';
import { type BastionHandlerParts, bastionHandlers } from './bastion-handlers.ts';
import { backupHandlers } from './backup-handlers.ts';
import { type CaHandlerParts, caHandlers } from './ca-handlers.ts';
import { type EnrolHandlerParts, enrolHandlers } from './enrol-handlers.ts';
import { type LoginHandlerParts, loginHandlers } from './login-handlers.ts';
import { type PeopleHandlerParts, peopleHandlers } from './people-handlers.ts';
import { type RoleHandlerParts, roleHandlers } from './role-handlers.ts';
import { type ServerHandlerParts, serverHandlers } from './server-handlers.ts';
import { type SessionHandlerParts, sessionHandlers } from './session-handlers.ts';
import { type SystemHandlerParts, systemHandlers } from './system-handlers.ts';

export type AllHandlerParts = {
  core: AgentHandlerParts &
    ArtifactHandlerParts &
    AuditHandlerParts &
    BastionHandlerParts &
    CaHandlerParts &
    Omit<EnrolHandlerParts, 'options'> &
    Omit<LoginHandlerParts, 'options'> &
    NetworkHandlerParts &
    PeopleHandlerParts &
    RoleHandlerParts &
    ServerHandlerParts &
    SessionHandlerParts &
    SystemHandlerParts['core'];
  options: EnrolHandlerParts['options'] & LoginHandlerParts['options'];
  system: Omit<SystemHandlerParts, 'core'>;
  /** The key file that a backup may take along. */
  keyFile: string | undefined;
};

export function allHandlers({ core, options, system, keyFile }: AllHandlerParts): Handlers {
  return {
    ...systemHandlers({ core, ...system }),
    ...enrolHandlers({ ...core, options }),
    ...loginHandlers({ ...core, options }),
    ...serverHandlers(core),
    ...agentHandlers(core),
    ...artifactHandlers(core),
    ...networkHandlers(core),
    ...peopleHandlers(core),
    ...roleHandlers(core),
    ...caHandlers(core),
    ...auditHandlers(core),
    ...sessionHandlers(core),
    ...bastionHandlers(core),
    ...backupHandlers(core, { version: system.version, keyFile }),
  };
}
