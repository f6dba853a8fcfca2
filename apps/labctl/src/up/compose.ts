/**
 * The one place that knows all parts, and their order:
 *
 *     ground (folder, lock, store, registry) → node → gateway listens → look for servers → built-in engine → ready
 *                                                    │     └─► labd → login, agent of this machine ───────────┤
 *                                                    └─► executor (a process), arena ─────────────────────────┘
 *
 * Everything is closed in reverse order.
 */
import type { Gateway } from '@labmesh/gateway/gateway';
import type { Registry } from '@labmesh/inference/watch/registry';
import { unlessAborted } from './beside.ts';
import type { ComposeInput } from './compose-input.ts';
import type { OwnFleet } from './fleet/own-fleet.ts';
import { readFleetSettings } from './fleet/fleet-settings.ts';
import { type Ground, layGround } from './ground.ts';
import { isArenaElsewhere, prepareArena } from './arena/own-arena.ts';
import { openNode, type OwnNode } from './own-node.ts';
import { openServing, startEarlyEngine } from './serving.ts';
import { prepareFleet } from './fleet/start-fleet.ts';

export interface Running extends AsyncDisposable {
  /** Undefined when --only leaves it out; so is `fleet`. */
  readonly gateway: Gateway | undefined;
  readonly fleet: OwnFleet | undefined;
  readonly registry: Registry;
  /** What the operator should know: what is missing, and the way out. */
  readonly notes: readonly string[];
  /** Takes no more requests and waits for open ones. Gives how many were cut. */
  drain: (graceMs: number) => Promise<number>;
}

/** Tells other commands how to reach us. */
function publish(ground: Ground, gateway: Gateway | undefined, fleet: OwnFleet | undefined): void {
  const { api, port, adminToken, firstKey } = gateway ?? {};
  ground.lock.publish({
    ...(api !== undefined && { api, port, adminToken }),
    ...(firstKey !== undefined && firstKey.text !== '' && { keyFile: firstKey.file }),
    ...(fleet !== undefined && {
      fleet: { api: fleet.api, agents: fleet.agents, adminSocket: fleet.adminSocket, server: fleet.server },
    }),
  });
}

async function drainAll(
  { gateway, fleet, node }: { gateway: Gateway | undefined; fleet: OwnFleet | undefined; node: OwnNode },
  graceMs: number,
): Promise<number> {
  const [cut, cutByNode] = await Promise.all([gateway?.drain(graceMs) ?? 0, node.labman?.drain() ?? 0, fleet?.drain()]);
  return cut + cutByNode;
}

/** Starts everything. @throws CommandError, OptionsError or the signal's reason; then nothing is left behind. */
export async function compose(input: ComposeInput): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const { file, world, parts } = input;
  const { signal } = world.life;
  input.onStep('starting');
  const settings = readFleetSettings(file, world.env);
  const startFleet = parts.has('labd') ? prepareFleet(input, settings) : undefined;
  const startArena = parts.has('arena') && !isArenaElsewhere(input.values) ? prepareArena(input) : undefined;
  const ground = await layGround({ ...input, databaseUrl: settings.labd.databaseUrl }, stack);
  const { registry, closing } = ground;
  const early = startEarlyEngine(input, stack);
  const node = await openNode(input, ground, stack);
  const serving = parts.has('gateway') ? await openServing(input, { ground, node, early }, stack) : undefined;
  const starting = startFleet?.(ground, stack);
  if (serving === undefined) void registry.start(closing);
  const arena = serving && startArena?.(ground, serving.gateway, stack);
  const missing = (await serving?.fill()) ?? [];
  const fleet = starting === undefined ? undefined : await unlessAborted(signal, starting);
  // Only now do other commands find us: an API without its models is not ready.
  publish(ground, serving?.gateway, fleet);
  serving?.keepLooking();
  const running = stack.move();
  const gateway = serving?.gateway;
  return {
    gateway,
    fleet,
    registry,
    notes: [...missing, ...((await arena?.ready) ?? []), ...(fleet?.notes ?? [])],
    drain: (graceMs) => drainAll({ gateway, fleet, node }, graceMs),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
