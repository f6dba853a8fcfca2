import { defineOptions } from '@labmesh/kit/options';
import { programOptions } from '@labmesh/kit/options/program-options';
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
  ...programOptions,
});

export const executorHelp = {
  usage: 'lab-executor [--socket PATH] [--config FILE] [options]',
  summary:
    'Runs code of strangers at a stated isolation level, for the arena and labctl on this machine. A process of its own, ' +
    'without keys or rows; never on a node of the network plane.',
  examples: ['lab-executor --config /etc/labmesh/labmesh.toml', 'lab-executor --socket /run/me/x.sock --pool 2'],
};
