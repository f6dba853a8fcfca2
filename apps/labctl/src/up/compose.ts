/**
 * The one place that knows all parts, and their order:
 *
 *     data folder + lock → registry ← settings file → gateway listens → look for servers → built-in engine → ready
 *
 * The listener comes before the search: a port that is taken ends the start at once, and the search knows our own port.
 * Everything is closed in reverse order.
 */
import { startGateway, type Gateway } from '@labmesh/gateway/gateway';
import type { ProbeFetch } from '@labmesh/inference/probe/probe-fetch';
import { readEndpoints } from '@labmesh/inference/registry/endpoint-config';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import { HttpPool } from '@labmesh/kit/http/client';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import type { Logger } from '@labmesh/kit/log';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { BuiltinEngine } from '@labmesh/portman/builtin-engine';
import { CommandError } from '../command-error.ts';
import { openDataFolder } from '../data-folder.ts';
import { describeHolder, portHolder } from '../doctor/port-holder.ts';
import { productVersion } from '../product-version.ts';
import { lockDataFolder, type DataLock } from './data-lock.ts';
import { findServers, keepFinding, type FindServersParts } from './find-servers.ts';
import { engineSpec, startOwnEngine } from './own-engine.ts';
import type { UpValues } from './up-options.ts';
import { waitForState } from './wait-for-state.ts';

/** Nothing that is slow to answer holds up the start for longer; it joins when it answers. */
const firstLookMs = 1_200;

export type ComposeInput = {
  dataDir: string;
  values: UpValues;
  file: OptionsFile | undefined;
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

const atMost = (ms: number, work: Promise<unknown>) => Promise.race([work, Bun.sleep(ms)]);

type Base = { stack: AsyncDisposableStack; lock: DataLock; registry: Registry; fetch: ProbeFetch; pool: HttpPool; closing: AbortSignal };

/** What lies under every part: folder, connections, registry. */
function layGround(input: ComposeInput, stack: AsyncDisposableStack): Base {
  const { dataDir, file, log } = input;
  // Before the lock: a settings file with a fault must not even touch the folder.
  const specs = file === undefined ? [] : readEndpoints(file, { requireV1: false });
  openDataFolder(dataDir);
  const lock = stack.use(lockDataFolder(dataDir, productVersion));
  const pool = stack.use(new HttpPool());
  const closing = new AbortController();
  stack.defer(() => closing.abort(new Error('stopping')));
  const fetch: ProbeFetch = (target, request) => fetchWhole(pool, { ...target, tlsCa: request.tlsCa }, request);
  const registry = stack.use(new Registry({ clock: systemClock, log: log.child({ part: 'registry' }), fetch }));
  for (const spec of specs) registry.add(spec);
  return { stack, lock, registry, fetch, pool, closing: closing.signal };
}

async function openGateway(input: ComposeInput, base: Base): Promise<Gateway> {
  const { dataDir, values, file, log } = input;
  const { registry, pool } = base;
  const parts = { dataDir, registry, pool, clock: systemClock, log: log.child({ part: 'gateway' }), version: productVersion };
  try {
    return base.stack.use(await startGateway(values, { ...parts, ...(file !== undefined && { file }) }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const { port } = values;
    throw new CommandError(`port ${port} is in use by ${describeHolder(portHolder(port))}`, {
      hint: `stop it, or take another with --port N (0 picks a free one)`,
      exitCode: 8,
      cause: error,
    });
  }
}

/** The engine, closed with the stack also while it is still starting. */
function openEngine(input: ComposeInput, base: Base): Promise<BuiltinEngine> {
  const { dataDir, values, log, onStep } = input;
  const starting = startOwnEngine({ dataDir, values, log, signal: base.closing, onStep });
  base.stack.defer(async () => {
    await starting.then((engine) => engine[Symbol.asyncDispose]()).catch(() => undefined);
  });
  // It is awaited after the first look; a failure until then is no unhandled one.
  starting.catch(() => undefined);
  return starting;
}

/** Adds the engine when it is ready. The demo is an offer: without it the start goes on, with a note. */
async function joinEngine(starting: Promise<BuiltinEngine>, required: boolean, base: Base): Promise<string | undefined> {
  try {
    const engine = await starting;
    await waitForState(base.registry, base.registry.add(engineSpec(engine)), firstLookMs);
    return undefined;
  } catch (error) {
    if (required || !(error instanceof CommandError)) throw error;
    return error.message;
  }
}

/** Starts everything. @throws CommandError, OptionsError or the signal's reason; then nothing is left behind. */
export async function compose(input: ComposeInput): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const { values, signal, onStep, onFound, log } = input;
  onStep('starting');
  const base = layGround(input, stack);
  const { registry, fetch, closing } = base;
  const wanted = values.model !== undefined || values.demo === true;
  let starting = wanted ? openEngine(input, base) : undefined;
  const gateway = await openGateway(input, base);
  const finding: FindServersParts = {
    registry, fetch, clock: systemClock, log: log.child({ part: 'discovery' }), ownPorts: () => [gateway.port],
  };
  const firstPass = registry.start(closing);
  if (values.discovery) {
    onStep('looking for LLM servers on this machine');
    const look = findServers(finding).then((found) => Promise.all(found.map((one) => waitForState(registry, one, firstLookMs))));
    await unlessAborted(signal, atMost(firstLookMs, look));
  }
  await unlessAborted(signal, atMost(firstLookMs, firstPass));
  if (starting === undefined && values.demo === undefined && registry.endpoints.length === 0) starting = openEngine(input, base);
  const missing = starting && (await unlessAborted(signal, joinEngine(starting, values.model !== undefined, base)));
  const { api, port, adminToken, firstKey } = gateway;
  base.lock.publish({ api, port, adminToken, ...(firstKey.text !== '' && { keyFile: firstKey.file }) });
  if (values.discovery) void keepFinding(finding, values.discoveryEveryS * 1_000, onFound, closing);
  const running = stack.move();
  return {
    gateway,
    registry,
    notes: missing === undefined ? [] : [missing],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
