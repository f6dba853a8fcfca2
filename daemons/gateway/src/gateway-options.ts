import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { verificationOptions } from './verification-options.ts';

// Each default is a decision; the README and `labctl up --help` show those that a user meets.
const mebibyte = 1024 * 1024;

/** The gateway's options: flags, `[gateway]` and its neighbours in labmesh.toml, and the documented variables. */
export const gatewayOptions = defineOptions({
  host: {
    type: 'string',
    default: '127.0.0.1',
    flag: 'host',
    env: 'GATEWAY_HOST',
    file: 'gateway.host',
    placeholder: 'ADDR',
    help: 'address to listen on',
  },
  port: {
    type: 'integer',
    default: 8080,
    min: 0,
    max: 65_535,
    flag: 'port',
    short: 'p',
    env: 'GATEWAY_PORT',
    file: 'gateway.port',
    placeholder: 'N',
    help: 'port of the API; 0 picks a free one',
  },
  allowWildcard: {
    type: 'boolean',
    default: false,
    flag: 'allow-wildcard',
    file: 'gateway.allow_wildcard',
    help: 'let --host be 0.0.0.0 or ::, open to every network of this machine',
  },
  engine: {
    type: 'string',
    default: 'raw',
    choices: ['raw', 'serve'],
    file: 'gateway.engine',
    placeholder: 'NAME',
    help: 'HTTP engine: raw (own HTTP/1.1) or serve (Bun.serve)',
  },
  openAccess: {
    type: 'boolean',
    default: false,
    flag: 'open',
    file: 'gateway.auth.open',
    help: 'serve without API keys (loopback only)',
  },
  defaultModel: {
    type: 'string',
    file: 'gateway.default_model',
    placeholder: 'MODEL',
    help: 'model of requests that name none',
  },
  bodyBytesMax: {
    type: 'integer',
    default: 32 * mebibyte,
    min: 1024,
    file: 'gateway.max_body_bytes',
    help: 'largest request body, bytes',
  },
  headerBytesMax: {
    type: 'integer',
    default: 32 * 1024,
    min: 1024,
    file: 'gateway.max_header_bytes',
    help: 'largest request head, bytes',
  },
  bufferedBytesMax: {
    type: 'integer',
    default: 512 * mebibyte,
    min: mebibyte,
    file: 'gateway.buffered_bytes_total',
    help: 'request bodies in memory at once, bytes',
  },
  connectionsMax: {
    type: 'integer',
    default: 20_000,
    min: 1,
    file: 'gateway.max_connections',
    help: 'open client connections',
  },
  responseBytesMax: {
    type: 'integer',
    default: 64 * mebibyte,
    min: 1024,
    file: 'gateway.max_response_bytes',
    help: 'largest answer that is not a stream, bytes',
  },
  headerTimeoutS: {
    type: 'number',
    default: 10,
    min: 0.1,
    file: 'gateway.header_read_s',
    help: 'time for a request head',
  },
  bodyIdleS: {
    type: 'number',
    default: 30,
    min: 0.1,
    file: 'gateway.body_idle_s',
    help: 'longest silence inside a request body',
  },
  keepAliveS: {
    type: 'number',
    default: 75,
    min: 0.1,
    file: 'gateway.keep_alive_s',
    help: 'longest silence of an idle connection',
  },
  clientStallS: {
    type: 'number',
    default: 60,
    min: 0.1,
    file: 'gateway.client_stall_s',
    help: 'a client that takes no byte for this long is cut',
  },
  drainS: {
    type: 'number',
    default: 30,
    min: 0,
    max: 3600,
    file: 'gateway.drain_s',
    help: 'time for open streams to end at a stop',
  },
  queueMax: { type: 'integer', default: 100, min: 0, file: 'queue.max', help: 'requests that wait for one model' },
  queueTenantShare: {
    type: 'number',
    default: 0.5,
    min: 0,
    max: 1,
    file: 'queue.tenant_share',
    help: 'the part of these that one tenant may have',
  },
  queueTimeoutS: {
    type: 'number',
    default: 60,
    min: 0.1,
    file: 'queue.timeout_s',
    help: 'longest wait for a free endpoint',
  },
  queueDownWaitS: {
    type: 'number',
    default: 30,
    min: 0,
    file: 'queue.down_wait_s',
    help: 'an endpoint that was up this recently is waited for',
  },
  loadS: {
    type: 'number',
    default: 300,
    min: 0.1,
    file: 'queue.load_s',
    help: 'longest wait while a model is loading',
  },
  attemptsMax: {
    type: 'integer',
    default: 3,
    min: 1,
    max: 10,
    file: 'retry.attempts',
    help: 'attempts that may fail before the client is told',
  },
  keepaliveAfterS: {
    type: 'number',
    default: 10,
    min: 0.1,
    file: 'keepalive.after_s',
    help: 'a stream silent for this long gets a comment',
  },
  keepaliveEveryS: { type: 'number', default: 15, min: 0.1, file: 'keepalive.every_s', help: 'time between comments' },
  ...verificationOptions,
});

export type GatewayOptions = OptionValues<typeof gatewayOptions>;

/** Tables of labmesh.toml that the gateway reads by a schema of its own. */
export const gatewayFileKeys: readonly string[] = ['models'];
