/**
 * The API over LLM servers inside `labctl up`: the gateway listens first, then servers are looked for, then the built-in
 * engine joins. The listener comes before the search: a port that is taken ends the start at once, and the search knows
 * our own ports.
 */
import type { Gateway } from '@labmesh/gateway/gateway';
import { systemClock } from '@labmesh/kit/clock';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { BuiltinEngine } from '@labmesh/portman/builtin-engine';
import { CommandError } from '../command-error.ts';
import { startBeside, unlessAborted } from './beside.ts';
import type { ComposeInput } from './compose-input.ts';
import { arenaSocketPath, isArenaElsewhere } from './arena/own-arena.ts';
import { findServers, keepFinding, type FindServersParts } from './find-servers.ts';
import type { Ground } from './ground.ts';
import { openGateway } from './open-gateway.ts';
import { engineSpec, startOwnEngine } from './own-engine.ts';
import type { OwnNode } from './own-node.ts';
import { waitForState } from './wait-for-state.ts';

/** Nothing that is slow to answer holds up the start for longer; it joins when it answers. */
const firstLookMs = 1_200;

export type Serving = {
  gateway: Gateway;
  /** Looks for servers and lets the engine join; gives what the operator should know. */
  fill: () => Promise<string[]>;
  /** Goes on looking until everything closes. */
  keepLooking: () => void;
};

/** Goes on after `ms` without ending the work: what comes later joins later. */
const atMost = (ms: number, work: Promise<unknown>) => Promise.race([work, Bun.sleep(ms)]);

const isEngineAsked = ({ values, parts }: ComposeInput) =>
  parts.has('engine') && (values.model !== undefined || values.demo === true);

function startEngine(input: ComposeInput, stack: AsyncDisposableStack): Promise<BuiltinEngine> {
  const { dataDir, values, log, onStep } = input;
  return startBeside(stack, (signal) => startOwnEngine({ dataDir, values, log, signal, onStep }));
}

/** Starts the engine when it is wanted whatever is found: it takes longest, so it loads while all else happens. */
export function startEarlyEngine(input: ComposeInput, stack: AsyncDisposableStack): Promise<BuiltinEngine> | undefined {
  return isEngineAsked(input) ? startEngine(input, stack) : undefined;
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
async function lookAround({ values, world, onStep }: ComposeInput, finding: FindServersParts): Promise<void> {
  const { signal } = world.life;
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

/** The arena of this process, unless another one is named. */
function withArena({ values, parts, dataDir }: ComposeInput): ComposeInput['values'] {
  return !parts.has('arena') || isArenaElsewhere(values)
    ? values
    : { ...values, arenaSocket: arenaSocketPath(dataDir) };
}

/** Opens the listener. @throws CommandError, OptionsError */
export async function openServing(
  input: ComposeInput,
  parts: { ground: Ground; node: OwnNode; early: Promise<BuiltinEngine> | undefined },
  stack: AsyncDisposableStack,
): Promise<Serving> {
  const { dataDir, values, file, log, world } = input;
  const { ground, node, early } = parts;
  const { registry, fetch, pool, store, closing } = ground;
  const gateway = stack.use(
    await openGateway(withArena(input), {
      dataDir,
      store,
      registry,
      pool,
      clock: systemClock,
      log: log.child({ part: 'gateway' }),
      file,
      findSlug: (slug: string) => node.slugs.find(slug),
    }),
  );
  const ownPorts = [gateway.port, node.labman?.proxyPort, node.labman?.metricsPort].filter(
    (port) => port !== undefined,
  );
  const finding = { registry, fetch, clock: systemClock, log: log.child({ part: 'discovery' }), ownPorts, closing };
  return {
    gateway,
    fill: async () => {
      await lookAround(input, finding);
      // Named servers count even while they are down: who has servers did not come for a demo.
      const isDemoDue = values.demo === undefined && input.parts.has('engine') && registry.endpoints.length === 0;
      const starting = early ?? (isDemoDue ? startEngine(input, stack) : undefined);
      if (starting === undefined) return [];
      return unlessAborted(world.life.signal, joinEngine(starting, values.model !== undefined, registry));
    },
    keepLooking: () => {
      if (values.discovery) void keepFinding(finding, values.discoveryEveryS * 1_000, input.onFound);
    },
  };
}
