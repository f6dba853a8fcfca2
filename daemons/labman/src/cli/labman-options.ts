import { defineOptions, type ParsedOptions } from '@labmesh/kit/options';

/** Flags of the command `labman`; which verb takes which stands in its help. */
export const labmanOptions = defineOptions({
  socket: {
    type: 'string',
    flag: 'socket',
    default: '/run/labman/labmand.sock',
    placeholder: 'PATH',
    help: 'Socket of the running labmand.',
  },
  config: { type: 'string', flag: 'config', short: 'c', placeholder: 'PATH', help: 'Settings, for keys and join.' },
  stateDir: {
    type: 'string',
    flag: 'state-dir',
    default: '/var/lib/labman',
    placeholder: 'DIR',
    help: 'Where keys are kept.',
  },
  tokenFile: {
    type: 'string',
    flag: 'token-file',
    placeholder: 'FILE',
    help: 'join: the onboarding string, - for stdin.',
  },
  sk: {
    type: 'string',
    flag: 'sk',
    choices: ['pc', 'r4'],
    default: 'pc',
    help: 'export: layout of the secret key, r4 for Rosenpass main.',
  },
  out: { type: 'string', flag: 'out', placeholder: 'DIR', help: 'export: a folder that is not there yet.' },
  format: {
    type: 'string',
    flag: 'format',
    choices: ['toml', 'rp', 'wg-conf'],
    default: 'rp',
    help: 'export: the form.',
  },
  force: { type: 'boolean', flag: 'force', help: 'keygen, import: replace keys that are there.' },
  check: { type: 'boolean', flag: 'check', help: 'status: exit 1 unless the traffic is post-quantum now.' },
  json: { type: 'boolean', flag: 'json', help: 'Results as JSON.' },
  help: { type: 'boolean', flag: 'help', short: 'h', help: 'Print this text and exit.' },
});
export type LabmanFlags = ParsedOptions<typeof labmanOptions>['values'];

export const labmanHelp = {
  usage: 'labman tunnel VERB, labman join, labman pre, labman post',
  summary:
    'Looks after the node of this machine. `tunnel status` says whether its traffic is post-quantum at this moment; ' +
    '`join` takes what `labctl node token create` printed.',
  examples: [
    'labctl node token create --name rack-4 | ssh rack-4 labman join --token-file -',
    'labman tunnel status --check',
    'labman tunnel fingerprint',
    'labman tunnel trust sha256:5b1c…',
  ],
};
