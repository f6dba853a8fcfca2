/** Tokens of nodes on the command line: by what is shown of them, or by id. */
import { nodeTokenPattern } from '@labmesh/wire/ids';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const usage = (problem: string, hint: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

function tokenOf(word: string): string {
  // Of a whole token no more than its name goes anywhere: not into a path, not into a log.
  const id = nodeTokenPattern.exec(word)?.[1] ?? /^(?:lmn_)?([0-9A-Za-z]{10})$/.exec(word)?.[1];
  if (id !== undefined) return `lmn_${id}`;
  if (uuidPattern.test(word)) return word.toLowerCase();
  throw usage('this is no node token', 'lmn_ and ten letters and digits; labctl node token list shows them');
}

/** Every token named, each once. @throws CommandError (exit 2) */
export function nodeTokensOf(words: readonly string[], command: string): string[] {
  if (words.length === 0) throw usage('the token is missing', `${command} TOKEN`);
  return [...new Set(words.flatMap((word) => word.split(',')).map(tokenOf))];
}

/** Exactly one. @throws CommandError (exit 2) */
export function oneNodeToken(words: readonly string[], command: string): string {
  const [token, second] = nodeTokensOf(words, command);
  if (token !== undefined && second === undefined) return token;
  throw usage('one token at a time', `${command} TOKEN`);
}
