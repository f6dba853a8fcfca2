import { defineOptions } from '@labmesh/kit/options';

/** Every command takes it: the result as JSON, alone on stdout. */
export const jsonOption = defineOptions({
  json: { type: 'boolean', flag: 'json', default: false, help: 'print the result as JSON' },
});

/** Where a running labmesh keeps its state; the one thing every command needs to find it. */
export const dataOption = defineOptions({
  data: {
    type: 'string',
    flag: 'data',
    env: 'LABMESH_DATA',
    placeholder: 'DIR',
    help: 'data folder; default ~/.labmesh',
  },
});

/** For commands that read what the daemons read. */
export const configOption = defineOptions({
  config: {
    type: 'string',
    flag: 'config',
    short: 'c',
    env: 'LABMESH_CONFIG',
    placeholder: 'FILE',
    help: 'settings; default labmesh.toml in this folder or in the data folder, when there is one',
  },
});

/** For commands that run code: a lab-executor that runs already spares its start, and shows what a daemon would do. */
export const socketOption = defineOptions({
  socket: {
    type: 'string',
    flag: 'socket',
    placeholder: 'PATH',
    help: 'ask the executor at this socket; default one that is started for this call',
  },
});
