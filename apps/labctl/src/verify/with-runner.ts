/** The executor of `labctl verify`. Without one, checks that need a sandbox are errors, never verdicts. */
import { uuidv7 } from '@labmesh/wire/ids';
import { sandboxLimitsSchema, type SandboxRunner, unlearnedResult } from '@labmesh/wire/verification/sandbox';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withExecutor } from '../sandbox/with-executor.ts';
import { safeText } from '../terminal/safe-text.ts';

/** Refuses each job, in the words of an executor that lacks the level: verifiers know what that means for a verdict. */
const noRunner: SandboxRunner = {
  levels: async () => [],
  run: async (job) =>
    unlearnedResult('refused', {
      id: uuidv7(),
      limits: sandboxLimitsSchema.parse(job.limits ?? {}),
      error: { code: 'LEVEL_UNAVAILABLE', message: 'there is no executor' },
    }),
};

/**
 * Uses the executor at `socket`, or one of its own that ends with the call. One that does not start is told, and what
 * needs it becomes inconclusive: exit code 1 belongs to answers that are invalid.
 * @throws what `use` throws
 */
export async function withRunner<T>(
  { socket, wanted, world }: { socket: string | undefined; wanted: boolean; world: World },
  use: (runner: SandboxRunner) => Promise<T>,
): Promise<T> {
  if (!wanted) return use(noRunner);
  let reached = false;
  try {
    return await withExecutor({ socket, world }, (client) => {
      reached = true;
      return use(client);
    });
  } catch (error) {
    if (reached || !(error instanceof CommandError)) throw error;
    world.stderr(`warning: no sandbox, code is not run: ${safeText(error.message)}\n`);
    return use(noRunner);
  }
}
