/** What the program `lab-arena` is told beside the settings of the arena: where it listens, and whom it asks. */
import { isIP } from 'node:net';
import { isLoopback, parseListenAddress } from '@labmesh/kit/http/listen-address';
import { defineOptions, OptionsError } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { programOptions } from '@labmesh/kit/options/program-options';
import { readPrivateFile } from '@labmesh/kit/saved-file';
import type { ArenaAddress } from './serve/serve-arena.ts';

const usualListen = '127.0.0.1:8081';

export const arenaDaemonOptions = defineOptions({
  config: { type: 'string', flag: 'config', short: 'c', placeholder: 'FILE', help: 'settings, such as labmesh.toml' },
  gatewayUrl: {
    type: 'string',
    default: 'http://127.0.0.1:8080',
    flag: 'gateway-url',
    file: 'arena.gateway_url',
    placeholder: 'URL',
    help: 'the gateway, which models are asked through; http:// on loopback only',
  },
  gatewayCaFile: {
    type: 'string',
    file: 'arena.gateway_ca_file',
    placeholder: 'FILE',
    help: "PEM of the authority that signs the gateway's certificate",
  },
  tokenFile: {
    type: 'string',
    flag: 'token-file',
    file: 'arena.token_file',
    placeholder: 'FILE',
    help: 'the secret shared with the gateway: its gateway.internal_key_file',
  },
  listen: {
    type: 'string',
    flag: 'listen',
    file: 'arena.listen',
    placeholder: 'ADDRESS',
    help: `where the gateway finds it; off loopback with mTLS only; default: ${usualListen}`,
  },
  socket: {
    type: 'string',
    flag: 'socket',
    file: 'arena.socket',
    placeholder: 'PATH',
    help: 'a Unix socket in place of an address; its folder is for its owner alone',
  },
  certFile: { type: 'string', file: 'arena.cert_file', placeholder: 'FILE', help: 'PEM certificate of the arena' },
  keyFile: { type: 'string', file: 'arena.key_file', placeholder: 'FILE', help: 'private key of it, PEM' },
  caFile: {
    type: 'string',
    file: 'arena.ca_file',
    placeholder: 'FILE',
    help: 'PEM of the authority whose certificates may connect',
  },
  executorSocket: {
    type: 'string',
    default: '/run/labmesh-executor/executor.sock',
    flag: 'executor-socket',
    file: 'arena.executor_socket',
    placeholder: 'PATH',
    help: 'where lab-executor answers, on this machine',
  },
  dataDir: {
    type: 'string',
    default: '/var/lib/labmesh-arena',
    flag: 'data',
    file: 'arena.data_dir',
    placeholder: 'DIR',
    help: 'keys, log of certificates, and the database unless one is named; one arena a folder',
  },
  databaseUrl: {
    type: 'string',
    flag: 'database-url',
    env: 'DATABASE_URL',
    envFile: true,
    secret: true,
    file: 'database.url',
    placeholder: 'URL',
    help: 'sqlite:///… or postgresql://…; default: a file in the data folder',
  },
  ...programOptions,
});
export type ArenaDaemonOptions = OptionValues<typeof arenaDaemonOptions>;

export const arenaDaemonHelp = {
  usage: 'lab-arena --token-file FILE [--gateway-url URL] [--listen ADDRESS | --socket PATH] [--config FILE] [options]',
  summary:
    'Verifies answers for a gateway: tries, checks, ranks and certifies them. A gateway of its own process finds it by ' +
    'gateway.arena_url or gateway.arena_socket. Code of answers is run by lab-executor, which is started beside it.',
  examples: [
    'lab-arena --config /etc/labmesh/arena.toml',
    'lab-arena --token-file /etc/labmesh/arena.key --socket /run/labmesh-arena/arena.sock',
  ],
  settings: true,
};

const refuse = (key: string, message: string) => new OptionsError({ source: 'lab-arena', key, exitCode: 3 }, message);

/** @throws OptionsError (exit 3) for no address, or half of what mTLS needs */
export function addressOf({ socket, listen, certFile, keyFile, caFile }: ArenaDaemonOptions): ArenaAddress {
  if (socket !== undefined) {
    if (listen === undefined) return { socketPath: socket };
    throw refuse('arena.socket', 'give a socket or an address, not both');
  }
  const address = parseListenAddress(listen ?? usualListen, 8081);
  if (address === undefined) throw refuse('arena.listen', `expected an address such as ${usualListen}`);
  const host = isIP(address.host) === 0 ? '0.0.0.0' : address.host;
  const files = [certFile, keyFile, caFile].filter((file) => file !== undefined).length;
  if (certFile !== undefined && keyFile !== undefined && caFile !== undefined) {
    return { host, port: address.port, tls: { certFile, keyFile, caFile } };
  }
  // A certificate without an authority would let anybody in who finds the port.
  if (files > 0) throw refuse('arena.cert_file', 'cert_file, key_file and ca_file go together');
  return { host, port: address.port, tls: undefined };
}

/** The gateway's address without `/v1`. @throws OptionsError (exit 3) */
export function gatewayUrlOf({ gatewayUrl }: ArenaDaemonOptions): string {
  if (!/^https?:\/\//i.test(gatewayUrl) || !URL.canParse(gatewayUrl)) {
    throw refuse('arena.gateway_url', 'expected an address such as http://127.0.0.1:8080');
  }
  const { protocol, hostname } = new URL(gatewayUrl);
  // Prompts and the shared secret go that way.
  if (protocol === 'http:' && !isLoopback(hostname)) {
    throw refuse('arena.gateway_url', 'off this machine the gateway is spoken to over https://');
  }
  return gatewayUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
}

/** The form that the gateway gives it and takes it in. */
const tokenForm = /^(?!lmk_)[\x21-\x7e]{32,200}$/;

/** @throws OptionsError (exit 3) when there is none: without it nobody may ask; what the file system says */
export function readToken({ tokenFile }: ArenaDaemonOptions): string {
  if (tokenFile === undefined) {
    throw refuse('arena.token_file', 'name the secret shared with the gateway: its gateway.internal_key_file');
  }
  const token = readPrivateFile(tokenFile)?.trim();
  if (token === undefined) {
    throw refuse('arena.token_file', `there is no ${tokenFile}; the gateway makes it when it starts`);
  }
  if (tokenForm.test(token)) return token;
  throw refuse('arena.token_file', `${tokenFile}: expected one line of 32 to 200 characters that is no API key`);
}
