import { join } from 'node:path';
import { Admission } from '@labmesh/inference/choose/admission';
import { Relay } from '@labmesh/inference/relay/relay';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { Clock } from '@labmesh/kit/clock';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { Logger } from '@labmesh/kit/log';
import { readAliases } from './aliases.ts';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { GatewayOptions } from './gateway-options.ts';
import type { Store } from '@labmesh/store/store';
import { KeyStore } from './access/key-store.ts';
import { Meter } from './usage/meter.ts';
import { type OpenVerification, openVerification } from './verification/open-verification.ts';
import { type FindSlug, ModelResolver } from './resolve.ts';

export type ServiceParts = {
  /** Pepper and the first key live here. */
  dataDir: string;
  /** Keys and usage live here. */
  store: Store;
  registry: Registry;
  pool: HttpPool;
  clock: Clock;
  log: Logger;
  /** labmesh.toml, for the tables that the gateway reads itself. */
  file?: OptionsFile | undefined;
  /** Turns a slug into its endpoint and model; without it slugs are unknown models. */
  findSlug?: FindSlug | undefined;
};

/** What answers requests, without the listener in front of it. */
export type Service = AsyncDisposable &
  OpenVerification & {
    keys: KeyStore;
    meter: Meter;
    resolver: ModelResolver;
    admission: Admission;
    relay: Relay;
  };

/** Opens the stores of the data folder and builds the path of a request, in order. @throws OptionsError for aliases. */
export async function openService(options: GatewayOptions, parts: ServiceParts): Promise<Service> {
  const { registry, clock, pool } = parts;
  const folder = join(parts.dataDir, 'gateway');
  const resolver = new ModelResolver(registry, readAliases(parts.file), parts.findSlug);
  await using opening = new AsyncDisposableStack();
  const onError = (error: unknown) =>
    parts.log.error('a file of the data folder cannot be written; tried again', { error });
  const keys = opening.use(await KeyStore.open(parts.store, folder, onError));
  const meter = opening.use(await Meter.open({ store: parts.store, folder, clock, onError }));
  // Seconds in the file, milliseconds inside.
  const waits = {
    queueMs: options.queueTimeoutS * 1000,
    loadMs: options.loadS * 1000,
    downWaitMs: options.queueDownWaitS * 1000,
  };
  const admission = opening.use(
    new Admission({
      registry,
      clock,
      routing: options.routing,
      limits: { queueMax: options.queueMax, tenantShare: options.queueTenantShare, ...waits },
    }),
  );
  const relay = opening.use(
    new Relay({
      pool,
      registry,
      admission,
      clock,
      limits: {
        attemptsMax: options.attemptsMax,
        responseBytesMax: options.responseBytesMax,
        keepaliveAfterMs: options.keepaliveAfterS * 1000,
        keepaliveEveryMs: options.keepaliveEveryS * 1000,
      },
    }),
  );
  const opened = openVerification(options, { ...parts, keys });
  opening.use(opened.verification);
  // From here on the caller ends what was opened, in reverse order; until here a fault does.
  const whole = opening.move();
  const service = { keys, meter, resolver, admission, relay, ...opened };
  return { ...service, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}
