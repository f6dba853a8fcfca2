/** The rooms behind the doors once the core stands: routes, sockets, and the work that runs by the clock. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { makeApp } from './api/app.ts';
import { agentHandlers } from './api/handlers/agent-handlers.ts';
import { auditHandlers } from './api/handlers/audit-handlers.ts';
import { backupHandlers } from './api/handlers/backup-handlers.ts';
import { caHandlers } from './api/handlers/ca-handlers.ts';
import { loginHandlers } from './api/handlers/login-handlers.ts';
import { peopleHandlers } from './api/handlers/people-handlers.ts';
import { roleHandlers } from './api/handlers/role-handlers.ts';
import { serverHandlers } from './api/handlers/server-handlers.ts';
import { sessionHandlers } from './api/handlers/session-handlers.ts';
import { systemHandlers } from './api/handlers/system-handlers.ts';
import { tokenHandlers } from './api/handlers/token-handlers.ts';
import { IdempotentAnswers } from './api/idempotency.ts';
import type { IdentifyParts } from './api/identify.ts';
import { IdentityNames } from './api/identity-names.ts';
import type { LoopDelay } from './api/loop-delay.ts';
import type { Handlers } from './api/handler.ts';
import type { Core } from './core.ts';
import type { House } from './doors.ts';
import type { LabdOptions } from './labd-options.ts';
import { upgrade } from './upgrades.ts';

export type HouseParts = {
  core: Core;
  options: LabdOptions;
  guard: { hosts: ReadonlySet<string>; origins: readonly string[] };
  version: string;
  loopDelay: LoopDelay;
  log: Logger;
  clock: Clock;
  isStopping: () => boolean;
};

function handlersOf({ core, options, version, loopDelay, isStopping }: HouseParts): Handlers {
  const startedAt = performance.now();
  return {
    ...systemHandlers({ core, version, startedAt, loopDelay, isStopping }),
    ...loginHandlers({ core, options }),
    ...tokenHandlers(core),
    ...serverHandlers(core),
    ...agentHandlers(core),
    ...peopleHandlers(core),
    ...roleHandlers(core),
    ...caHandlers(core),
    ...auditHandlers(core),
    ...sessionHandlers(core),
    ...backupHandlers(core, {
      version,
      keyFile: options.kekPassphrase === undefined ? (options.kekFile ?? `${options.dataDir}/kek.key`) : undefined,
    }),
  };
}

export function openHouse(parts: HouseParts): House {
  const { core, options, guard, log, clock, isStopping } = parts;
  const { store, secrets, denyList, policies, audit, limiter, authority, people } = core;
  const names = new IdentityNames(store, clock);
  const identifyParts: IdentifyParts = {
    denyList,
    clock,
    trustedProxies: options.trustedProxies,
    nameOf: (kind, id) => names.nameOf(kind, id),
    checkSession: (text) => people.logins.check(text),
    loginOfKey: (keyHash) => people.logins.ofKey(keyHash),
  };
  const unavailable = () => (isStopping() ? 'SHUTTING_DOWN' : undefined);
  const idempotent = new IdempotentAnswers({ store, secrets, clock });
  const dispatchParts = {
    policies,
    audit,
    limiter,
    identifyParts,
    idempotent,
    guard,
    bodyBytesMax: options.bodyBytesMax,
    clock,
    log,
    unavailable,
  } as const;
  const fetch = makeApp(handlersOf(parts), dispatchParts);
  return {
    fetch,
    upgrade: (request, socket, head, connection) =>
      void upgrade(request, socket, head, connection, { core, identifyParts, guard, isStopping, log }),
    verify: (leafDer) => authority.verifyClient(leafDer, 'tell'),
  };
}
