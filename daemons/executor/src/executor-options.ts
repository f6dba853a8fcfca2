import { defineOptions } from '@labmesh/kit/options';
import { sandboxOptions } from './sandbox-settings.ts';

export const executorOptions = defineOptions({
  socket: {
    type: 'string',
    flag: 'socket',
    default: '/run/labmesh-executor/executor.sock',
    placeholder: 'PATH',
    help: 'where to answer; its folder is for its owner alone',
  },
  config: { type: 'string', flag: 'config', short: 'c', placeholder: 'FILE', help: 'settings: [sandbox] of it' },
  owned: { type: 'boolean', flag: 'owned', default: false, help: 'end when stdin ends: whoever started it is gone' },
  ...sandboxOptions,
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

export const executorHelp = {
  usage: 'lab-executor [--socket PATH] [--config FILE] [options]',
  summary:
    'Runs code of strangers at a stated isolation level, for the arena and labctl on this machine. A process of its own, ' +
    'without keys or rows; never on a node of the network plane.',
  examples: ['lab-executor --config /etc/labmesh/labmesh.toml', 'lab-executor --socket /run/me/x.sock --pool 2'],
};
