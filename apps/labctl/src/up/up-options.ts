import { gatewayOptions } from '@labmesh/gateway/gateway-options';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { configOption, dataOption, jsonOption } from '../common-options.ts';

/** Flags of `labctl up`, each with its place in labmesh.toml (`file`). Those of the gateway are defined with it. */
export const upOptions = defineOptions({
  ...jsonOption,
  ...dataOption,
  ...configOption,
  only: {
    type: 'string',
    flag: 'only',
    placeholder: 'PARTS',
    help: 'start these parts only, by comma: gateway, engine, node, arena, labd, agent',
  },
  fleet: {
    type: 'boolean',
    default: true,
    flag: 'fleet',
    help: 'leave out labd and the agent of this machine',
  },
  model: {
    type: 'string',
    flag: 'model',
    short: 'm',
    file: 'engine.model',
    placeholder: 'FILE',
    help: 'serve this GGUF file with the built-in engine',
  },
  demo: {
    type: 'boolean',
    flag: 'demo',
    file: 'engine.demo',
    help: 'serve the bundled demo model; on by itself when no server is found, --no-demo switches that off',
  },
  threads: {
    type: 'integer',
    flag: 'threads',
    min: 1,
    max: 1_024,
    file: 'engine.threads',
    help: 'threads of the built-in engine',
  },
  contextSize: {
    type: 'integer',
    flag: 'context',
    min: 16,
    file: 'engine.context',
    help: 'context of the built-in engine, tokens',
  },
  discovery: {
    type: 'boolean',
    default: true,
    flag: 'discovery',
    file: 'discovery.enabled',
    help: 'do not look for LLM servers on the usual ports of this machine',
  },
  discoveryEveryS: {
    type: 'number',
    default: 30,
    min: 1,
    max: 86_400,
    file: 'discovery.every_s',
    help: 'time between two looks',
  },
  logLevel: {
    type: 'string',
    default: 'warn',
    choices: ['debug', 'info', 'warn', 'error'],
    flag: 'log-level',
    env: 'LABMESH_LOG_LEVEL',
    file: 'log.level',
    placeholder: 'LEVEL',
    help: 'least severe lines of the log, which goes to stderr',
  },
  logFormat: {
    type: 'string',
    choices: ['json', 'pretty'],
    flag: 'log-format',
    file: 'log.format',
    placeholder: 'FORMAT',
    help: 'form of the log; default pretty on a terminal, json elsewhere',
  },
  ...gatewayOptions,
});

/** After flags, environment, file and defaults were put together. */
export type UpValues = OptionValues<typeof upOptions>;
