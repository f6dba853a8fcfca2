/**
 * The one place that knows all parts, and their order:
 *
 *     ground (folder, lock, registry) → node → gateway listens → look for servers → built-in engine → ready
 *
 * The listener comes before the search: a port that is taken ends the start at once, and the search knows our own
 * ports. Everything is closed in reverse order.
 */
import type { Gateway } from '@labmesh/gateway/gateway';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { BuiltinEngine } from '@labmesh/portman/builtin-engine';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { findServers, keepFinding, type FindServersParts } from './find-servers.ts';
import { readFleetSettings } from './fleet-settings.ts';
import { layGround } from './ground.ts';
import { openGateway } from './open-gateway.ts';
import { engineSpec, startOwnEngine } from './own-engine.ts';
import { openNode, type OwnNode } from './own-node.ts';
import type { UpValues } from './up-options.ts';
import { waitForState } from './wait-for-state.ts';

/** Nothing that is slow to answer holds up the start for longer; it joins when it answers. */
const firstLookMs = 1_200;

export type ComposeInput = {
  dataDir: string;
  values: UpValues;
  file: OptionsFile | undefined;
  env: Environment;
  log: Logger;
  /** Ends the start. */
  signal: AbortSignal;
  onStep: (text: string) => void;
  /** A server that was found after the start. */
  onFound: (endpoint: Endpoint) => void;
};

export interface Running extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly registry: Registry;
  /** What the operator should know: what is missing, and the way out. */
  readonly notes: readonly string[];
  /** Takes no more requests and waits for open ones. Gives how many were cut. */
  drain: (graceMs: number) => Promise<number>;
}

/** Rejects with the signal's reason as soon as it aborts. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Goes on after `ms` without ending the work: what comes later joins later. */
const atMost = (ms: number, work: Promise<unknown>) => Promise.race([work, Bun.sleep(ms)]);

/** The engine, closed with the stack also while it is still starting. */
function openEngine(input: ComposeInput, stack: AsyncDisposableStack): Promise<BuiltinEngine> {
  const { dataDir, values, log, onStep } = input;
  const ending = new AbortController();
  const starting = startOwnEngine({ dataDir, values, log, signal: ending.signal, onStep });
  stack.defer(async () => {
    ending.abort(new Error('stopping'));
    await starting.then((engine) => engine[Symbol.asyncDispose]()).catch(() => undefined);
  });
  // It is awaited after the first look; a failure until then is no unhandled one.
  starting.catch(() => undefined);
  return starting;
}

/** Adds the engine when it is ready. The demo is an offer: without it the start goes on, with a note. */
async function joinEngine(
  starting: Promise<BuiltinEngine>,
  isRequired: boolean,
  registry: Registry,
): Promise<string[]> {
  try {
    const engine = await starting;
    await waitForState(registry, registry.add(engineSpec(engine)), firstLookMs);
    return [];
  } catch (error) {
    if (isRequired || !(error instanceof CommandError)) throw error;
    return [error.message];
  }
}

/** Looks for servers, and waits for the first answers of all endpoints, but not for slow ones. */
async function lookAround(input: ComposeInput, finding: FindServersParts): Promise<void> {
  const { values, signal, onStep } = input;
  const { registry, closing } = finding;
  const firstPass = registry.start(closing);
  if (values.discovery) {
    onStep('looking for LLM servers on this machine');
    const look = findServers(finding).then((found) =>
      Promise.all(found.map((one) => waitForState(registry, one, firstLookMs))),
    );
    await unlessAborted(signal, atMost(firstLookMs, look));
  }
  await unlessAborted(signal, atMost(firstLookMs, firstPass));
}

async function drainAll(gateway: Gateway, node: OwnNode, graceMs: number): Promise<number> {
  const [cut, cutByNode] = await Promise.all([gateway.drain(graceMs), node.labman?.drain() ?? 0]);
  return cut + cutByNode;
}

/** Starts everything. @throws CommandError, OptionsError or the signal's reason; then nothing is left behind. */
export async function compose(input: ComposeInput): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const { dataDir, values, file, log, signal } = input;
  input.onStep('starting');
  const fleet = readFleetSettings(file, input.env);
  const ground = await layGround({ ...input, databaseUrl: fleet.labd.databaseUrl }, stack);
  // The engine takes longest to start; when it is wanted anyway it loads while all else happens.
  const { registry, fetch, pool, store, closing } = ground;
  const isWanted = values.model !== undefined || values.demo === true;
  const early = isWanted ? openEngine(input, stack) : undefined;
  const node = await openNode(input, ground, stack);
  const parts = {
    dataDir,
    store,
    registry,
    pool,
    clock: systemClock,
    log: log.child({ part: 'gateway' }),
    file,
    findSlug: (slug: string) => node.slugs.find(slug),
  };
  const gateway = stack.use(await openGateway(values, parts));
  const ownPorts = [gateway.port, node.labman?.proxyPort, node.labman?.metricsPort].filter(
    (port) => port !== undefined,
  );
  const finding = { registry, fetch, clock: systemClock, log: log.child({ part: 'discovery' }), ownPorts, closing };
  await lookAround(input, finding);
  // Named servers count even while they are down: who has servers did not come for a demo.
  const isDemoDue = values.demo === undefined && !isWanted && registry.endpoints.length === 0;
  const starting = early ?? (isDemoDue ? openEngine(input, stack) : undefined);
  const notes =
    starting === undefined
      ? []
      : await unlessAborted(signal, joinEngine(starting, values.model !== undefined, registry));
  // Only now do other commands find us: an API without its models is not ready.
  const { api, port, adminToken, firstKey } = gateway;
  ground.lock.publish({ api, port, adminToken, ...(firstKey.text !== '' && { keyFile: firstKey.file }) });
  if (values.discovery) void keepFinding(finding, values.discoveryEveryS * 1_000, input.onFound);
  const running = stack.move();
  return {
    gateway,
    registry,
    notes,
    drain: (graceMs) => drainAll(gateway, node, graceMs),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
