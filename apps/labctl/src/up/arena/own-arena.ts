/**
 * The arena inside `labctl up`, and the executor beside it in a process of its own (verification RP1). Both start while
 * all else does: answers are served before they can be verified, and without an arena they are served all the same.
 */
import { join } from 'node:path';
import { type Arena, openArena } from '@labmesh/arena/arena';
import { readArenaSettings } from '@labmesh/arena/arena-settings';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import type { Gateway } from '@labmesh/gateway/gateway';
import { systemClock } from '@labmesh/kit/clock';
import { executorClient } from '@labmesh/link/calls/executor-client';
import { startBeside } from '../beside.ts';
import type { ComposeInput } from '../compose-input.ts';
import type { Ground } from '../ground.ts';
import { executorSocketPath, startOwnExecutor } from './own-executor.ts';

export const arenaSocketPath = (dataDir: string): string => join(dataDir, 'arena', 'arena.sock');

/** The settings name an arena that runs elsewhere. */
export const isArenaElsewhere = ({ arenaUrl, arenaSocket }: ComposeInput['values']): boolean =>
  arenaUrl !== undefined || arenaSocket !== undefined;

export type OwnArena = {
  /** Resolves when both stand, or with what is missing and why. */
  ready: Promise<string[]>;
};

/** What is wrong with the settings is told before anything starts. @throws OptionsError */
export function prepareArena({ file, world, dataDir, log }: ComposeInput) {
  const settings = readArenaSettings(file, world.env);
  const sandbox = readSandboxSettings(file);
  return (ground: Ground, gateway: Gateway, stack: AsyncDisposableStack): OwnArena => {
    const socketPath = executorSocketPath(dataDir);
    const executor = startBeside(stack, (signal) =>
      startOwnExecutor({ socketPath, settings: sandbox, log: log.child({ part: 'executor' }), signal }),
    );
    const arena = startBeside(stack, (): Promise<Arena> =>
      openArena({
        dataDir,
        address: { socketPath: arenaSocketPath(dataDir) },
        token: gateway.internalToken,
        // Through the front door, as a client: queue, limits and books of the gateway hold for its calls as well.
        gatewayUrl: gateway.api.replace(/\/v1$/, ''),
        runner: executorClient({ socketPath }),
        store: ground.store,
        settings,
        clock: systemClock,
        log: log.child({ part: 'arena' }),
      }),
    );
    return { ready: notesOf({ 'answers are not verified': arena, 'no code of answers is run': executor }) };
  };
}

/** One note for each part that could not start. */
async function notesOf(starting: Record<string, Promise<unknown>>): Promise<string[]> {
  const entries = Object.entries(starting);
  const ends = await Promise.allSettled(entries.map(([, part]) => part));
  return ends.flatMap((end, index) =>
    end.status === 'fulfilled' ? [] : [`${entries[index]?.[0]}: ${(end.reason as Error).message}`],
  );
}
