import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { findType } from '../../grammar/resource-type.ts';
import { serverRef } from '../server-ref.ts';
import { parseMapping, type PortMapping } from './port-mapping.ts';

const usage = (message: string) =>
  new CommandError(message, { hint: 'labctl port-forward server/web-1 8080:80', exitCode: exitCodes.usage });

/** `server/web-1 8080:80 …` or `server web-1 8080:80 …`. @throws CommandError (exit 2) */
export function readForwardWords(words: readonly string[]): { server: string; mappings: PortMapping[] } {
  const isApart = findType(words[0] ?? '') !== undefined && words[1] !== undefined && !/^[\d[]|:/.test(words[1]);
  const [own, rest] = [words.slice(0, isApart ? 2 : 1), words.slice(isApart ? 2 : 1)];
  if (own.length === 0) throw usage('which server is missing');
  const server = serverRef(own, 'ports are forwarded').name;
  if (rest.length === 0) throw usage('which ports is missing');
  return { server, mappings: rest.map(parseMapping) };
}
