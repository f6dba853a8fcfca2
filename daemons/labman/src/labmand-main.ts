/** The program `labmand`: reads flags and settings, runs a node until a signal, drains it. */
import { parseOptions, renderHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import manifest from '../package.json' with { type: 'json' };
import { configSummary } from './config-summary.ts';
import { readLabmanConfig, withMetricsAddress } from './labman-config.ts';
import { findConfig, labmandHelp, labmandOptions, logLevelOf } from './labmand-options.ts';
import { serveNode } from './serve-node.ts';

const { version } = manifest;
/** The Conplane refused the token, and `on_auth_failure` is "stop" (network plane L2). */
const identityRefused = 7;
const print = (text: string) => void process.stdout.write(text);

/** Undefined for a fault of ours. */
function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof FleetError) return identityRefused;
  // Those of settings, listeners, tunnel and keys.
  const { exitCode } = error as { exitCode?: unknown };
  return typeof exitCode === 'number' ? exitCode : undefined;
}

/**
 * Runs labmand; gives the exit code: 0 ok, 1 run time, 2 usage, 3 settings, 4 no settings, 5 right or backend missing,
 * 6 address or interface in use, 7 identity refused, 8 unsafe bind.
 */
export async function labmandMain(argv: string[], life: Life): Promise<number> {
  try {
    const { values: flags } = parseOptions(labmandOptions, { argv, env: process.env, positionalsMax: 0 });
    if (flags.help) print(renderHelp(labmandOptions, labmandHelp));
    else if (flags.version) print(`labmand ${version}\n`);
    if (flags.help || flags.version) return 0;
    const warnings: string[] = [];
    const file = readLabmanConfig(await findConfig(flags.config), { warn: (line) => void warnings.push(line) });
    const config = flags.bindAddr === undefined ? file : withMetricsAddress(file, flags.bindAddr);
    // Checked here too, so that a slip of the hand is told before anything starts.
    logLevelOf(flags.logLevel, 'info');
    if (!flags.checkConfig && !flags.printConfig) await serveNode(config, { flags, life, warnings, version });
    else for (const warning of warnings) process.stderr.write(`labmand: warning: ${warning}\n`);
    if (flags.printConfig) print(configSummary(config));
    else if (flags.checkConfig) print(`${config.path}: good, ${config.endpoints.length} endpoints\n`);
    return 0;
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (exitCode === undefined || !(error instanceof Error)) throw error;
    const usage = exitCode === 2 && !error.message.includes('--help') ? '; see --help' : '';
    process.stderr.write(`labmand: ${error.message}${usage}\n`);
    return exitCode;
  }
}
