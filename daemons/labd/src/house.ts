/** The rooms behind the doors once the core stands: routes and sockets. */
import { makeApp } from './api/app.ts';
import { allHandlers } from './api/handlers/all-handlers.ts';
import { IdempotentAnswers } from './api/idempotency.ts';
import type { IdentifyParts } from './api/identify.ts';
import { IdentityNames } from './api/identity-names.ts';
import type { LoopDelay } from './api/loop-delay.ts';
import { makeNodeApp } from './api/nodes/node-app.ts';
import { nodeWork } from './api/nodes/node-work.ts';
import type { Core } from './core.ts';
import type { House } from './doors.ts';
import { FirstRefusals } from './limits/first-refusals.ts';
import type { LabdOptions } from './settings/labd-options.ts';
import { upgrade } from './upgrades.ts';
import type { World } from './settings/world.ts';

export type HouseParts = {
  core: Core;
  options: LabdOptions;
  guard: { hosts: ReadonlySet<string>; origins: readonly string[] };
  version: string;
  loopDelay: LoopDelay;
  log: World['log'];
  clock: World['clock'];
  isStopping: () => boolean;
};

export function openHouse(parts: HouseParts): House {
  const { core, options, guard, log, clock, version, loopDelay, isStopping } = parts;
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
  const keyFile = options.kekPassphrase === undefined ? (options.kekFile ?? `${options.dataDir}/kek.key`) : undefined;
  const system = { version, startedAt: performance.now(), loopDelay, isStopping };
  const unavailable = () => (isStopping() ? 'SHUTTING_DOWN' : undefined);
  const idempotent = new IdempotentAnswers({ store, secrets, clock, log });
  const { bodyBytesMax, pageMax } = options;
  const handlers = allHandlers({ core, options, system, keyFile });
  const recording = { audit, clock, refusals: new FirstRefusals(clock) };
  const bounds = { bodyBytesMax, pageMax };
  const dispatching = { ...recording, ...bounds, policies, limiter, identifyParts, idempotent, guard, log };
  const bundlePem = () => authority.anchorsPem();
  const work = nodeWork(core);
  return {
    fetch: makeApp(handlers, { ...dispatching, unavailable }),
    nodes: makeNodeApp({ ...recording, work, limiter, bundlePem, unavailable, log }),
    upgrade: (request, socket, head, connection) =>
      void upgrade(request, socket, head, connection, { core, identifyParts, guard, isStopping, log }).catch(
        (error: unknown) => {
          // One connection's fault is not labd's end.
          log.error('an upgrade failed in a way nobody foresaw', { error });
          socket.destroy();
        },
      ),
    verify: (leafDer) => authority.verifyClient(leafDer, 'tell'),
    retryAfterS: () => core.hub.returns.retryAfterS(),
  };
}
