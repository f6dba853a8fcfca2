import { readFileSync } from 'node:fs';
import { isLoopback } from '@labmesh/kit/http/listen-address';
import { OptionsError } from '@labmesh/kit/options';
import { ArenaClient, type ArenaClientParts } from './arena-client.ts';
import type { VerificationOptions } from '../verification-options.ts';

const refuse = (key: string, message: string) =>
  new OptionsError({ source: 'labmesh.toml', key, exitCode: 3 }, message);

/** The client that the settings name; undefined without an arena. @throws OptionsError, or what the file system says */
export function openArenaClient(
  options: VerificationOptions,
  parts: Omit<ArenaClientParts, 'origin' | 'prefix'>,
): ArenaClient | undefined {
  const { arenaUrl, arenaSocket } = options;
  if (arenaUrl !== undefined && arenaSocket !== undefined)
    throw refuse('gateway.arena_socket', 'give arena_url or arena_socket, not both');
  if (arenaSocket !== undefined) {
    const origin = { host: 'arena', port: 80, tls: false, socketPath: arenaSocket };
    return new ArenaClient({ ...parts, origin, prefix: '' });
  }
  if (arenaUrl === undefined) return undefined;
  if (!/^https?:\/\//i.test(arenaUrl) || !URL.canParse(arenaUrl))
    throw refuse('gateway.arena_url', 'expected an address such as http://127.0.0.1:8081');
  const url = new URL(arenaUrl);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const tls = url.protocol === 'https:';
  // Prompts, answers and the shared secret go that way.
  if (!tls && !isLoopback(host))
    throw refuse('gateway.arena_url', 'off this machine the arena is spoken to over https://');
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const origin = { host, port, tls, ...(tls && tlsFiles(options)) };
  return new ArenaClient({ ...parts, origin, prefix: url.pathname.replace(/\/+$/, '') });
}

function tlsFiles({ arenaCaFile, arenaCertFile, arenaKeyFile }: VerificationOptions) {
  if ((arenaCertFile === undefined) !== (arenaKeyFile === undefined))
    throw refuse('gateway.arena_cert_file', 'arena_cert_file and arena_key_file go together');
  const text = (path: string) => readFileSync(path, 'utf8');
  return {
    ...(arenaCaFile !== undefined && { tlsCa: text(arenaCaFile) }),
    ...(arenaCertFile !== undefined &&
      arenaKeyFile !== undefined && { tlsClient: { cert: text(arenaCertFile), key: text(arenaKeyFile) } }),
  };
}
