/** `labd run`, `check-config`, `migrate`, `version` (LD-8). */
import { systemClock } from '@labmesh/kit/clock';
import { OptionsError, renderHelp, wantsHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { openStore } from '@labmesh/store/open-store';
import manifest from '../package.json' with { type: 'json' };
import { checkSettings } from './compose/check-settings.ts';
import { runLabd } from './run-labd.ts';
import { layGround } from './settings/ground.ts';
import { labdOptions } from './settings/labd-options.ts';
import { readLabdOptions } from './settings/read-labd-options.ts';

const { version } = manifest;
const commands = ['run', 'check-config', 'migrate', 'version'] as const;

const help = {
  settings: true,
  usage: 'labd run|check-config|migrate|version [--config FILE] [options]',
  summary:
    'The control plane of the fleet: identities, access, audit, agents, sessions. Settings stand in labmesh.toml.',
  examples: ['labd run --data /var/lib/labmesh/labd', 'DATABASE_URL=postgresql://lab@db/lab labd run'],
};

/** Runs labd; gives the exit code: 0 ok, 2 usage, 3 settings, 75 in use, 78 wrong key or newer schema. */
export async function labdMain(argv: string[], life: Life): Promise<number> {
  if (argv.length === 0 || wantsHelp(argv)) {
    process.stdout.write(renderHelp(labdOptions, help));
    return argv.length === 0 ? 2 : 0;
  }
  try {
    const { options, words } = await readLabdOptions(argv);
    const [command] = words;
    if (command === 'version') process.stdout.write(`labd ${version}\n`);
    else if (command === 'check-config') {
      checkSettings(options, systemClock);
      process.stdout.write('the settings are good\n');
    } else if (command === 'migrate') {
      await using store = await openStore({ url: layGround(options).databaseUrl });
      process.stdout.write(`the schema is up to date (${store.engine})\n`);
    } else if (command === 'run') await runLabd(options, life, version);
    else throw new OptionsError({ source: 'labd', exitCode: 2 }, `expected ${commands.join(', ')}`);
    return 0;
  } catch (error) {
    const { exitCode, message, hint } = error as { exitCode?: unknown; message: string; hint?: string };
    if (typeof exitCode !== 'number') throw error;
    process.stderr.write(`labd: ${message}${hint === undefined ? '' : `\nhint: ${hint}`}\n`);
    return exitCode;
  }
}
