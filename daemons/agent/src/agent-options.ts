import { hostname } from 'node:os';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';

/** The agent's options: `[agent]` of labmesh.toml and the flags of `lab-agent` (AG-2). */
export const agentOptions = defineOptions({
  url: {
    type: 'string',
    flag: 'url',
    file: 'agent.url',
    placeholder: 'URL',
    help: 'agent address of labd, such as https://labd:3101',
  },
  urls: { type: 'string[]', file: 'agent.urls', help: 'further addresses, one a replica' },
  caPin: {
    type: 'string',
    flag: 'ca-pin',
    file: 'agent.ca_pin',
    placeholder: 'PIN',
    help: 'sha256:… of the CA, from the join command',
  },
  token: {
    type: 'string',
    flag: 'token',
    secret: true,
    placeholder: 'TEXT',
    help: 'join token; others on this machine can read it: prefer --token-file',
  },
  tokenFile: {
    type: 'string',
    flag: 'token-file',
    file: 'agent.token_file',
    placeholder: 'FILE',
    help: 'file with the join token; - reads stdin',
  },
  hostname: {
    type: 'string',
    default: hostname().toLowerCase(),
    flag: 'hostname',
    file: 'agent.hostname',
    placeholder: 'NAME',
    help: 'name of this server',
  },
  machineId: {
    type: 'string',
    file: 'agent.machine_id',
    placeholder: 'ID',
    help: 'in place of the one of this system, for containers that share it; then MACs are not told',
  },
  labels: {
    type: 'string[]',
    flag: 'label',
    file: 'agent.labels',
    placeholder: 'K=V',
    help: 'reported as facts.K; decides nothing about access',
  },
  stateDir: {
    type: 'string',
    default: '/var/lib/labmesh/agent',
    flag: 'state-dir',
    file: 'agent.state_dir',
    placeholder: 'DIR',
    help: 'identity and state, 0700',
  },
  logPaths: { type: 'string[]', default: ['/var/log/**'], file: 'agent.log_paths', help: 'files that logs may read' },
  shipEnabled: {
    type: 'boolean',
    default: false,
    file: 'agent.ship.enabled',
    help: 'send what is written to logs from now on to the collector of labd',
  },
  shipUnits: {
    type: 'string[]',
    file: 'agent.ship.units',
    help: 'units of the journal to send; * stands for any part',
  },
  shipFiles: { type: 'string[]', file: 'agent.ship.files', help: 'files to send, each under agent.log_paths' },
  spoolMax: {
    type: 'bytes',
    default: '64MiB',
    file: 'agent.spool_max',
    help: 'logs kept on disk while labd or its collector is away; the oldest go first; 0 keeps 4 MiB in memory',
  },
  exec: {
    type: 'boolean',
    default: true,
    flag: 'exec',
    file: 'agent.exec',
    help: 'off: no exec, copy or forward on this machine, whatever labd says',
  },
  logins: { type: 'string[]', default: ['*'], file: 'agent.logins', help: 'accounts that exec and copy may use' },
  update: {
    type: 'boolean',
    default: true,
    flag: 'update',
    file: 'agent.update',
    help: 'off: this agent stays as it is, whatever labd wishes for',
  },
  releaseKey: {
    type: 'string',
    file: 'agent.release_key',
    placeholder: 'KEY',
    help: 'ed25519:… of whoever makes the releases; without it no update is taken',
  },
  installDir: {
    type: 'string',
    default: '/opt/labmesh',
    file: 'agent.install_dir',
    placeholder: 'DIR',
    help: 'folder of the versions',
  },
  updateDelayMs: {
    type: 'duration',
    default: '15m',
    file: 'agent.update_delay',
    help: 'an update waits so long for sessions to end',
  },
  updateConfirmMs: {
    type: 'duration',
    default: '30s',
    file: 'agent.update_confirm',
    help: 'a new version proves itself by being connected so long',
  },
  updateTrialMs: {
    type: 'duration',
    default: '60s',
    file: 'agent.update_trial',
    help: 'one that has no connection by then is taken back',
  },
  factsEveryMs: { type: 'duration', default: '10m', file: 'agent.facts_every', help: 'between looks at the machine' },
  reconnectMinMs: {
    type: 'duration',
    default: '1s',
    file: 'agent.reconnect_min',
    help: 'shortest wait before another try',
  },
  reconnectMaxMs: { type: 'duration', default: '30s', file: 'agent.reconnect_max', help: 'longest wait' },
  logLevel: {
    type: 'string',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    flag: 'log-level',
    file: 'agent.log_level',
    help: 'least level that is logged',
  },
});

export type AgentOptions = OptionValues<typeof agentOptions>;

/** All addresses, each once. */
export const agentUrls = ({ url, urls }: Pick<AgentOptions, 'url' | 'urls'>): string[] => [
  ...new Set([...(url === undefined ? [] : [url]), ...urls]),
];
