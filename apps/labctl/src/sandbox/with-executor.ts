/** The executor that a command asks: the one at a socket, or one that is started for this call alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LevelName } from '@labmesh/executor/sandbox-settings';
import { createLogger } from '@labmesh/kit/log';
import { type ExecutorClient, executorClient, ExecutorError } from '@labmesh/link/calls/executor-client';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { startOwnExecutor } from '../up/arena/own-executor.ts';

/** Behind the range of the daemon that may run here too: two sandboxes must not share a user. */
const uidBase = 900_000 + 1_024;

/**
 * `level` undefined: whatever each job asks for. An executor of our own ends with the call, and so does what it runs.
 * @throws CommandError: 6 when nobody answers, else what the executor said when it refused to start
 */
export async function withExecutor<T>(
  { socket, level, world }: { socket: string | undefined; level?: LevelName; world: World },
  use: (client: ExecutorClient) => Promise<T>,
): Promise<T> {
  try {
    if (socket !== undefined) return await use(executorClient({ socketPath: socket }));
    const folder = mkdtempSync(join(tmpdir(), 'labctl-sandbox-'));
    using _ = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
    const log = createLogger({ level: 'warn', format: 'pretty', write: (line) => world.stderr(`${line}\n`) });
    const settings = { pool: 1, minLevel: 'L0', level: level ?? 'auto', uidBase } as const;
    const socketPath = join(folder, 'x.sock');
    await using own = await startOwnExecutor({ socketPath, settings, log, signal: world.life.signal });
    return await use(executorClient({ socketPath: own.socketPath }));
  } catch (error) {
    if (!(error instanceof ExecutorError)) throw error;
    const hint = socket === undefined ? undefined : `does lab-executor run, and is ${socket} yours?`;
    throw new CommandError(error.message, { hint, code: error.code, exitCode: exitCodes.unreachable });
  }
}
