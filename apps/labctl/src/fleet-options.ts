/**
 * The flags that every fleet command takes (CT-7), declared once. Those with a key in `config.yaml` have no default
 * here: the settings give it (CT-4), in the order flag, environment, context, file, default.
 */
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { jsonOption } from './common-options.ts';
import { envName, keyDef, outputFormats, type ConfigKey } from './config/config-keys.ts';
import type { FlagValues } from './config/settings.ts';

export const progressModes = ['auto', 'plain', 'json', 'none'] as const;

/** `(config timeout, env LABCTL_TIMEOUT; else 30s)`. */
function configNotes(key: ConfigKey): string {
  const { default: value } = keyDef(key);
  return `(config ${key}, env ${envName(key)}${value === undefined ? '' : `; else ${value}`})`;
}

export const fleetOptions = defineOptions({
  context: {
    type: 'string',
    flag: 'context',
    placeholder: 'NAME',
    help: `context of the configuration ${configNotes('currentContext')}`,
  },
  local: { type: 'boolean', flag: 'local', default: false, help: "ask labd's admin socket on this machine, as root" },
  output: {
    type: 'string',
    flag: 'output',
    short: 'o',
    choices: outputFormats,
    placeholder: 'FORM',
    help: `form of the result ${configNotes('output')}`,
  },
  ...jsonOption,
  timeout: {
    type: 'string',
    flag: 'timeout',
    placeholder: 'TIME',
    help: `longest time for one request ${configNotes('timeout')}`,
  },
  yes: { type: 'boolean', flag: 'yes', short: 'y', default: false, help: 'do not ask before something is destroyed' },
  dryRun: { type: 'boolean', flag: 'dry-run', default: false, help: 'tell what would be done, and do nothing' },
  quiet: { type: 'boolean', flag: 'quiet', short: 'q', default: false, help: 'nothing but results and errors' },
  verbose: {
    type: 'boolean',
    flag: 'verbose',
    short: 'v',
    default: false,
    help: 'tell more, and request ids with errors',
  },
  progress: {
    type: 'string',
    flag: 'progress',
    choices: progressModes,
    default: 'auto',
    help: 'how progress is told on stderr',
  },
});

export type FleetOptions = typeof fleetOptions;
export type FleetValues = OptionValues<FleetOptions>;

/** The flags that settle a key of the configuration. */
export function flagValues(values: FleetValues): FlagValues {
  const output = values.output ?? (values.json ? 'json' : undefined);
  return {
    ...(values.context !== undefined && { currentContext: { value: values.context, flag: '--context' } }),
    ...(output !== undefined && {
      output: { value: output, flag: values.output === undefined ? '--json' : '--output' },
    }),
    ...(values.timeout !== undefined && { timeout: { value: values.timeout, flag: '--timeout' } }),
  };
}
