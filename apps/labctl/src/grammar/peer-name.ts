import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** The peer that a tunnel command names. @throws CommandError (exit 2) without one */
export function peerName(positionals: readonly string[], command: string): string {
  const [name] = positionals;
  if (name !== undefined && name !== '') return name;
  throw new CommandError('the peer is missing', {
    hint: `labctl tunnel ${command} PEER; labctl tunnel peers lists them`,
    exitCode: exitCodes.usage,
  });
}
