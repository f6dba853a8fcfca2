/** For commands that say more where a labd is set up, and do their own work where none is or it is away. */
import { existsSync } from 'node:fs';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { envName } from '../config/config-keys.ts';
import { configPath } from '../config/config-paths.ts';
import type { LabdClient } from '../client/labd-client.ts';

/** Longest wait, ms: the command has something to say without labd, too. */
const waitMaxMs = 5_000;

export type Asked<T> = { url: string } & ({ answer: T } | { problem: CommandError });

/**
 * What labd says, or why it says nothing; undefined where none is set up. Looks at one file then and loads nothing.
 * @throws what nobody foresaw
 */
export async function askConfigured<T>(
  world: World,
  ask: (labd: LabdClient) => Promise<T>,
): Promise<Asked<T> | undefined> {
  if (!existsSync(configPath(world.env)) && !world.env[envName('labd.url')]) return undefined;
  let url = '';
  try {
    const { Settings } = await import('../config/settings.ts');
    const { parseDuration } = await import('../grammar/duration.ts');
    const own = new Settings({ env: world.env });
    const known = own.get('labd.url');
    if (known === undefined) return undefined;
    url = known;
    const waitMs = Math.min(parseDuration(own.get('timeout') ?? '') ?? waitMaxMs, waitMaxMs);
    const flags = { timeout: { value: `${waitMs}ms`, flag: '--timeout' } };
    const { openLabd } = await import('../client/open-labd.ts');
    const settings = new Settings({ env: world.env, flags });
    using labd = await openLabd({ world, settings, local: false, note: () => {} });
    return { url, answer: await ask(labd) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { url, problem: error };
  }
}
