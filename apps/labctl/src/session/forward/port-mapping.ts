/** The words of `labctl port-forward`: `[BIND:]LOCAL:[HOST:]PORT` (PF-1). */
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';

export type PortMapping = {
  /** Address to listen on, here. */
  bind: string;
  /** 0: any that is free. */
  local: number;
  /** As the server calls it. */
  host: string;
  port: number;
};

const loopback = '127.0.0.1';
const remoteDefault = 'localhost';
const hostPattern = /^[A-Za-z0-9_.:-]{1,253}$/;

const bad = (word: string, what: string) =>
  new CommandError(`the mapping ${JSON.stringify(word.slice(0, 120))} is not valid: ${what}`, {
    hint: 'write [BIND:]LOCAL:[HOST:]PORT, such as 8080:80 or 127.0.0.1:5432:db.internal:5432; IPv6 in brackets',
    exitCode: exitCodes.usage,
  });

/** Parts between colons; brackets hold together what is inside of them. */
function split(word: string): string[] {
  const parts: string[] = [];
  const pattern = /(?:\[([^[\]]*)\]|([^:[\]]*))(:|$)/y;
  for (;;) {
    const match = pattern.exec(word);
    if (match === null) throw bad(word, 'a bracket stands in the wrong place');
    parts.push(match[1] ?? match[2] ?? '');
    if (match[3] === '') return parts;
  }
}

function portOf(word: string, text: string, least: number): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port >= least && port <= 65_535) return port;
  throw bad(word, `found ${JSON.stringify(text)}, expected a port ${least}-65535`);
}

function hostOf(word: string, text: string): string {
  if (hostPattern.test(text)) return text;
  throw bad(word, `${JSON.stringify(text)} is no host`);
}

const isPort = (text: string | undefined) => text !== undefined && /^\d+$/.test(text);

/** `8080` is 8080:8080. @throws CommandError (exit 2) */
export function parseMapping(word: string): PortMapping {
  const parts = split(word);
  const [first = '', second, third, fourth] = parts;
  const mapping = (bind: string, local: string, host: string, port: string): PortMapping => ({
    bind: bind === '*' ? '0.0.0.0' : hostOf(word, bind),
    local: portOf(word, local, 0),
    host: hostOf(word, host),
    port: portOf(word, port, 1),
  });
  if (parts.length > 4) throw bad(word, 'it has too many parts');
  if (second === undefined) return mapping(loopback, first, remoteDefault, first);
  if (third === undefined) return mapping(loopback, first, remoteDefault, second);
  if (fourth !== undefined) return mapping(first, second, third, fourth);
  // Three parts: a number first is the local port, and what follows a host.
  return isPort(first) ? mapping(loopback, first, second, third) : mapping(first, second, remoteDefault, third);
}

/** An address as it stands before a port. */
export const inBrackets = (host: string): string => (host.includes(':') ? `[${host}]` : host);
