/** For commands that say more where a labd is set up, and do their own work where none is or it is away. */
import { existsSync } from 'node:fs';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { envName } from '../config/config-keys.ts';
import { configPath } from '../config/config-paths.ts';
import type { LabdClient } from '../client/labd-client.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetOptions } from '../fleet-options.ts';

/** Longest wait without --timeout, ms: the command has something to say without labd, too. */
const waitMaxMs = 5_000;

/** Which labd is meant, and how long it may take (CT-7). */
export const labdOptions = {
  context: fleetOptions.context,
  local: fleetOptions.local,
  timeout: { ...fleetOptions.timeout, help: 'longest time to wait for labd; else as configured, at most 5s' },
} as const;
export type LabdFlags = {
  readonly context?: string | undefined;
  readonly local: boolean;
  readonly timeout?: string | undefined;
};

/** `url`: of the API, or the path of the admin socket. */
export type Asked<T> = { url: string } & ({ answer: T } | { problem: CommandError });

async function settingsOf({ env }: World, { context, timeout }: LabdFlags) {
  const { Settings } = await import('../config/settings.ts');
  const { parseDuration } = await import('../grammar/duration.ts');
  const currentContext = context === undefined ? {} : { currentContext: { value: context, flag: '--context' } };
  if (timeout !== undefined) {
    return new Settings({ env, flags: { ...currentContext, timeout: { value: timeout, flag: '--timeout' } } });
  }
  const own = new Settings({ env, flags: currentContext });
  const waitMs = Math.min(parseDuration(own.get('timeout') ?? '') ?? waitMaxMs, waitMaxMs);
  return new Settings({ env, flags: { ...currentContext, timeout: { value: `${waitMs}ms`, flag: '--timeout' } } });
}

/**
 * What labd says, or why it says nothing; undefined where none is set up. Looks at one file then and loads nothing.
 * @throws CommandError for flags that are wrong (exit 2) or name a labd that is not set up (exit 3); what nobody foresaw
 */
export async function askConfigured<T>(
  world: World,
  flags: LabdFlags,
  ask: (labd: LabdClient) => Promise<T>,
): Promise<Asked<T> | undefined> {
  const isMeant = flags.context !== undefined || flags.local;
  if (!isMeant && !existsSync(configPath(world.env)) && !world.env[envName('labd.url')]) return undefined;
  let url = '';
  try {
    const settings = await settingsOf(world, flags);
    const { adminSocketPath } = await import('../client/admin-socket-path.ts');
    const known = flags.local ? adminSocketPath(world.env) : settings.get('labd.url');
    if (known === undefined && !isMeant) return undefined;
    url = known ?? '';
    const { openLabd } = await import('../client/open-labd.ts');
    using labd = await openLabd({ world, settings, local: flags.local, note: () => {} });
    return { url, answer: await ask(labd) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { exitCode } = error;
    if (exitCode === exitCodes.usage || (isMeant && exitCode === exitCodes.notConfigured)) throw error;
    return { url, problem: error };
  }
}
