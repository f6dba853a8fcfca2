import { defineOptions } from '../options.ts';

/** What a program beside labctl takes besides its own: `[log]` of labmesh.toml, and the two flags that end it at once. */
export const programOptions = defineOptions({
  logLevel: {
    type: 'string',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    flag: 'log-level',
    file: 'log.level',
    placeholder: 'LEVEL',
    help: 'least severe lines of the log, which goes to stderr',
  },
  logFormat: {
    type: 'string',
    default: 'json',
    choices: ['json', 'pretty'],
    flag: 'log-format',
    file: 'log.format',
    placeholder: 'FORMAT',
    help: 'form of the log',
  },
  help: { type: 'boolean', flag: 'help', short: 'h', default: false, help: 'print this text and exit' },
  version: { type: 'boolean', flag: 'version', short: 'V', default: false, help: 'print the version and exit' },
});
