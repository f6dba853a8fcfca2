/** Which servers `exec -l … | a,b | --file | --all` means: asked once, before anything runs (FO-1). */
import { readFileSync } from 'node:fs';
import { CommandError } from '../../command-error.ts';
import type { LabdClient, OperationInput } from '../../client/labd-client.ts';
import { exitCodes } from '../../exit-codes.ts';
import { formatRef, parseRefs, type ResourceRef } from '../../grammar/resource-ref.ts';
import type { FanTarget } from './fan-out.ts';

export type TargetWish = {
  refs: readonly ResourceRef[];
  selector: string | undefined;
  /** Names, one a line; `-` is stdin. */
  file: string | undefined;
  all: boolean;
  /** The account that commands will run as. */
  login: string | undefined;
  skipDenied: boolean;
};

export type FoundTargets = { targets: readonly FanTarget[]; denied: readonly { hostname: string; reason: string }[] };

type Body = NonNullable<OperationInput<'resolve-servers'>['body']>;

const fileBytesMax = 4 * 1024 * 1024;
const namesMax = 10_000;
const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) for things that are no servers */
export function serverNames(refs: readonly ResourceRef[]): string[] {
  return refs.map((ref) => {
    if (ref.type === 'server') return ref.name;
    throw usage(`commands run on servers, and ${formatRef(ref)} is none`, 'write server/<name>');
  });
}

/** Names in a text, one or several by comma a line; `#` begins a comment. @throws CommandError (exit 2) with the line */
export function namesInText(text: string, path: string): string[] {
  const names = text.split('\n').flatMap((line, index) => {
    const words = line.replace(/#.*/, '').trim();
    if (words === '') return [];
    try {
      return serverNames(parseRefs([words], { bare: 'server' }));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw usage(`${path}:${index + 1}: ${error.message}`, error.hint);
    }
  });
  if (names.length === 0) throw usage(`${path} names no server`);
  return names;
}

async function readNames(path: string, readStdin: () => Promise<string>): Promise<string[]> {
  if (path === '-') return namesInText(await readStdin(), 'stdin');
  try {
    const text = readFileSync(path);
    if (text.length > fileBytesMax) throw usage(`${path} is larger than ${fileBytesMax} bytes`);
    return namesInText(text.toString('utf8'), path);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw usage(`--file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

/** @throws CommandError (exit 2) */
async function requestOf(wish: TargetWish, readStdin: () => Promise<string>): Promise<Body> {
  const { refs, selector, file, all, login } = wish;
  const isNamed = refs.length > 0 || file !== undefined;
  if (Number(isNamed) + Number(selector !== undefined) + Number(all) !== 1) {
    throw usage('say in one way which servers are meant', 'names (also with --file), -l SELECTOR, or --all');
  }
  const account = login === undefined ? {} : { account: login };
  if (!isNamed) return { verb: 'exec', ...account, ...(selector === undefined ? { all: true } : { selector }) };
  const given = file === undefined ? [] : await readNames(file, readStdin);
  const names = [...new Set([...serverNames(refs), ...given])];
  if (names.length > namesMax) throw usage(`more than ${namesMax} servers at once`);
  return { verb: 'exec', ...account, names };
}

/**
 * @param note hears of denied servers, before anything runs
 * @throws CommandError: exit 2 for words, 255 when servers are unknown, denied or none
 */
export async function findTargets(
  wish: TargetWish,
  labd: LabdClient,
  readStdin: () => Promise<string>,
  note: (text: string) => void,
): Promise<FoundTargets> {
  const { targets, denied, unknown } = await labd.call('resolve-servers', { body: await requestOf(wish, readStdin) });
  const failed = (message: string, code: string, hint: string) =>
    new CommandError(message, { code, hint, exitCode: exitCodes.execFailed });
  if (unknown.length > 0) {
    const names = unknown.map((name) => `server/${name}`).join(', ');
    throw failed(`there is no ${names}, or you may not see it (NOT_FOUND)`, 'NOT_FOUND', 'labctl get servers');
  }
  for (const { hostname, reason } of denied) note(`denied: server/${hostname}: ${reason}`);
  if (denied.length > 0 && !wish.skipDenied) {
    const few = denied.length === 1 ? 'one server' : `${denied.length} servers`;
    throw failed(
      `exec is denied on ${few}, so nothing was started (PERMISSION_DENIED)`,
      'PERMISSION_DENIED',
      '--skip-denied runs it on the others',
    );
  }
  if (targets.length === 0) {
    throw failed(
      'no server is meant by that (NOT_FOUND)',
      'NOT_FOUND',
      'labctl get servers -l SELECTOR shows which are',
    );
  }
  return { targets, denied };
}
