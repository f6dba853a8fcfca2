import { isIP } from 'node:net';
import { z } from 'zod';

/** `host:port` taken apart; an IPv6 host is in brackets in the text and without them here. */
export type SocketAddress = { host: string; port: number };

/** `10.0.0.1:9999`, `[::1]:9999` or `hub.example.org:9999`; undefined for anything else. Port 1 to 65535. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_.-]{1,253})):([0-9]{1,5})$/i.exec(text);
  const [, bracketed, plain, digits] = match ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port };
}

export function showSocketAddress({ host, port }: SocketAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An endpoint in a file: an address or a name, with its port. */
export const endpointText = z
  .string()
  .refine((text) => parseSocketAddress(text) !== undefined, 'expected host:port or [IPv6]:port');

/** An address to listen on: no name. */
export const listenText = z
  .string()
  .refine((text) => isIP(parseSocketAddress(text)?.host ?? '') !== 0, 'expected an IP address and a port');
