/**
 * The arena inside `labctl up`, and the executor beside it in a process of its own (verification RP1). The arena starts
 * while all else does, the executor when code is to be run: answers are served before they can be verified, and without an
 * arena they are served all the same, unless its key is not the one that sealed.
 */
import { join } from 'node:path';
import { type Arena, openArena } from '@labmesh/arena/arena';
import { readArenaSettings } from '@labmesh/arena/arena-settings';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import type { Gateway } from '@labmesh/gateway/gateway';
import { systemClock } from '@labmesh/kit/clock';
import { startBeside } from '../beside.ts';
import type { ComposeInput } from '../compose-input.ts';
import type { Ground } from '../ground.ts';
import { arenaProblem } from './arena-problem.ts';
import { LateExecutor } from './late-executor.ts';
import { executorSocketPath } from './own-executor.ts';
import { publicNote } from './public-note.ts';

export const arenaSocketPath = (dataDir: string): string => join(dataDir, 'arena', 'arena.sock');

/** The settings name an arena that runs elsewhere. */
export const isArenaElsewhere = ({ arenaUrl, arenaSocket }: ComposeInput['values']): boolean =>
  arenaUrl !== undefined || arenaSocket !== undefined;

export type OwnArena = {
  /**
   * Resolves when it stands, with what the operator should know: what is missing and why, or who it is open to. Rejects
   * with CommandError (exit 78) when its key-encryption key is missing or another.
   */
  ready: Promise<string[]>;
};

/** What is wrong with the settings is told before anything starts. @throws OptionsError */
export function prepareArena({ file, world, dataDir, log, values, parts }: ComposeInput) {
  const settings = readArenaSettings(file, world.env);
  const sandbox = readSandboxSettings(file);
  const note = publicNote(values.host, sandbox);
  return (ground: Ground, gateway: Gateway, stack: AsyncDisposableStack): OwnArena => {
    const socketPath = executorSocketPath(dataDir);
    const runner = stack.use(new LateExecutor({ socketPath, settings: sandbox, log: log.child({ part: 'executor' }) }));
    const arena = startBeside(stack, (): Promise<Arena> =>
      openArena({
        dataDir,
        address: { socketPath: arenaSocketPath(dataDir) },
        token: gateway.internalToken,
        // Through the front door, as a client: queue, limits and books of the gateway hold for its calls as well.
        gatewayUrl: gateway.api.replace(/\/v1$/, ''),
        runner,
        store: ground.store,
        settings,
        clock: systemClock,
        log: log.child({ part: 'arena' }),
      }),
    );
    if (note !== undefined) log.warn(note);
    const ready = arena.then(
      () => (note === undefined ? [] : [note]),
      (error: Error) => [arenaProblem(error, parts)],
    );
    // It is awaited when all else stands.
    ready.catch(() => undefined);
    return { ready };
  };
}
