/** `labd run`, `check-config`, `migrate`, `version` (LD-8). */
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { OptionsError, renderHelp, wantsHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { openStore } from '@labmesh/store/open-store';
import manifest from '../package.json' with { type: 'json' };
import { layGround } from './settings/ground.ts';
import { Labd } from './labd.ts';
import { labdOptions, type LabdOptions } from './settings/labd-options.ts';
import { readLabdOptions } from './settings/read-labd-options.ts';
import { serveMetrics } from './metrics.ts';

const { version } = manifest;
const commands = ['run', 'check-config', 'migrate', 'version'] as const;

const help = {
  settings: true,
  usage: 'labd run|check-config|migrate|version [--config FILE] [options]',
  summary:
    'The control plane of the fleet: identities, access, audit, agents, sessions. Settings stand in labmesh.toml.',
  examples: ['labd run --data /var/lib/labmesh/labd', 'DATABASE_URL=postgresql://lab@db/lab labd run'],
};

async function run(options: LabdOptions, life: Life): Promise<void> {
  const log = createLogger(
    { level: options.logLevel, format: process.stderr.isTTY ? 'pretty' : 'json' },
    { part: 'labd' },
  );
  const labd = life.stack.use(await Labd.start(options, { clock: systemClock, log, version }));
  life.stack.use(await serveMetrics(labd));
  log.info('labd listens', { api: labd.urls.api, agents: labd.urls.agent });
  // Settings that can never work end the process; a database that is away does not.
  await Promise.race([labd.ready, life.stopped]);
  await life.stopped;
  // A second signal ends a process at once, with 1 (SD-1).
  const forced = setTimeout(() => process.kill(process.pid, 'SIGTERM'), options.shutdownForceMs);
  forced.unref();
  await labd.drain();
}

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
      layGround(options);
      process.stdout.write('the settings are good\n');
    } else if (command === 'migrate') {
      await using store = await openStore({ url: layGround(options).databaseUrl });
      process.stdout.write(`the schema is up to date (${store.engine})\n`);
    } else if (command === 'run') await run(options, life);
    else throw new OptionsError({ source: 'labd', exitCode: 2 }, `expected ${commands.join(', ')}`);
    return 0;
  } catch (error) {
    const { exitCode, message, hint } = error as { exitCode?: unknown; message: string; hint?: string };
    if (typeof exitCode !== 'number') throw error;
    process.stderr.write(`labd: ${message}${hint === undefined ? '' : `\nhint: ${hint}`}\n`);
    return exitCode;
  }
}
