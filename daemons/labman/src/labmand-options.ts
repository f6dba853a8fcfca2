import { defineOptions, OptionsError, type ParsedOptions } from '@labmesh/kit/options';
import { readConfigFile } from '@labmesh/kit/config-file';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { LogLevel } from '@labmesh/kit/log';
import { parseLogLevel } from './config/log-level.ts';

export const labmandOptions = defineOptions({
  config: {
    type: 'string',
    flag: 'config',
    short: 'c',
    placeholder: 'PATH',
    help: 'Settings; else /etc/labman/labman.toml, then ./labman.toml.',
  },
  logLevel: {
    type: 'string',
    flag: 'log-level',
    short: 'L',
    placeholder: 'LEVEL',
    help: 'error, warn, info or debug, or a filter such as info,labmand=debug.',
  },
  logFormat: {
    type: 'string',
    flag: 'log-format',
    choices: ['text', 'json'],
    placeholder: 'FORMAT',
    help: 'Form of the log lines.',
  },
  checkConfig: { type: 'boolean', flag: 'check-config', help: 'Check the settings and exit: 0 good, 3 not.' },
  printConfig: { type: 'boolean', flag: 'print-config', help: 'Print the decided settings without secrets and exit.' },
  bindAddr: {
    type: 'string',
    flag: 'bind-addr',
    placeholder: 'ADDR',
    help: 'Address of the metrics page: loopback, or private with telemetry.allow_lan.',
  },
  adminSocket: {
    type: 'string',
    flag: 'admin-socket',
    default: '/run/labman/labmand.sock',
    placeholder: 'PATH',
    help: 'Socket of the command labman; empty for none.',
  },
  help: { type: 'boolean', flag: 'help', short: 'h', help: 'Print this text and exit.' },
  version: { type: 'boolean', flag: 'version', short: 'V', help: 'Print the version and exit.' },
  // systemd sets it for a unit with StateDirectory=.
  stateDir: {
    type: 'string',
    env: 'STATE_DIRECTORY',
    default: '/var/lib/labman',
    help: 'Keeps keys and what was settled.',
  },
});
export type LabmandFlags = ParsedOptions<typeof labmandOptions>['values'];

export const labmandHelp = {
  usage: 'labmand [options]',
  summary: 'Joins the OpenAI-compatible servers of a site into one node.',
  examples: ['labmand --check-config --config labman.toml', 'labmand --config labman.toml --log-level debug'],
};

/** Looked at in this order when no flag names a file. */
const places = ['/etc/labman/labman.toml', './labman.toml'];

/** The settings file: `--config`, else the first of the usual places. @throws OptionsError: 4 = none, 3 = unreadable */
export async function findConfig(path: string | undefined): Promise<OptionsFile> {
  if (path !== undefined) return readConfigFile(path);
  for (const place of places) {
    try {
      return await readConfigFile(place);
    } catch (error) {
      if (!(error instanceof OptionsError) || error.exitCode !== 4) throw error;
    }
  }
  throw new OptionsError(
    { source: 'config', exitCode: 4, hint: 'give one with --config PATH' },
    `neither ${places.join(' nor ')} is there`,
  );
}

/** The level that a flag names, else the file's. @throws OptionsError, exit 2 */
export function logLevelOf(flag: string | undefined, fromFile: LogLevel): LogLevel {
  if (flag === undefined) return fromFile;
  const level = parseLogLevel(flag);
  if (level !== undefined) return level;
  throw new OptionsError({
    source: '--log-level',
    found: JSON.stringify(flag.slice(0, 80)),
    expected: 'error, warn, info or debug',
    exitCode: 2,
  });
}
