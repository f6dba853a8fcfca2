/**
 * `labctl up` logs the invoking user in (ID-1), over the admin socket as `labctl login --local` does: user with role
 * admin, certificate, context. It is an offer: what is in the way becomes a note, and --local works without it.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Logger } from '@labmesh/kit/log';
import type { Core } from '@labmesh/labd/core';
import type { LabdClient } from '../../client/labd-client.ts';
import type { Environment, World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { readCredentials, saveCredentials } from '../../credentials/credentials.ts';
import { renewalState } from '../../credentials/renewal.ts';
import { enrolWithToken } from '../../login/get-certificate.ts';
import { grantLocally, type Invoker, invokerOf, userNameOf } from '../../login/local-login.ts';
import { localContext, type LocalLabd, writeContext } from './local-context.ts';

export type OwnLoginInput = {
  world: World;
  dataDir: string;
  /** As this machine reaches it. */
  api: string;
  core: Core;
  /** Over the admin socket. */
  client: LabdClient;
  log: Logger;
};

export type OwnLogin = {
  /** Undefined: nobody was logged in. `isCurrent`: commands use it without --context. */
  context: { name: string; isCurrent: boolean } | undefined;
  notes: readonly string[];
};

const requestMs = 10_000;
/** How often the login is looked at while labmesh runs. */
const lookMs = 3_600_000;

/** Root writes into no home of another account: that account could have put links there. @throws CommandError */
function checkHome(env: Environment): void {
  const home = env['HOME'] || homedir();
  const owner = statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === process.geteuid?.()) return;
  throw new CommandError(`${home} belongs to another account`);
}

/** Kept from an earlier start, and labd would still take them. */
async function isGood({ world, core }: OwnLoginInput, context: string): Promise<boolean> {
  const found = await readCredentials(world.env, context).catch(() => undefined);
  if (found === undefined || renewalState(found.certificate, world.clock.wall()) !== 'fresh') return false;
  const { keyHash, serial, uris } = found.certificate;
  const login = await core.people.logins.ofKey(keyHash);
  const isDenied = core.denyList.check({ serial, identity: uris[0], keyHash }) !== undefined;
  return login !== undefined && !isDenied;
}

/** A new certificate by a one-time token. @throws CommandError */
async function logIn(input: OwnLoginInput, context: string, user: string): Promise<LocalLabd> {
  const { world, api, client, log } = input;
  const { token, trust } = await grantLocally(client, user);
  const door = { url: api, trust, timeoutMs: requestMs, world, note: (text: string) => log.debug(text) };
  const { key, answer } = await enrolWithToken(door, token);
  const { certificatePem, chainPem, caPem } = answer;
  await saveCredentials(world.env, context, { privatePem: key.privatePem, certificatePem, chainPem, bundlePem: caPem });
  return { url: api, pins: answer.caPin };
}

/** While labmesh runs the login does not run out. One that somebody ended with `labctl logout` stays ended. */
function keepLogin(input: OwnLoginInput, context: string, user: string): Disposable {
  const { world, log } = input;
  const look = async () => {
    const found = await readCredentials(world.env, context);
    if (found === undefined || renewalState(found.certificate, world.clock.wall()) === 'fresh') return;
    await logIn(input, context, user);
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn('the login of context could not be renewed', { context, error }));
  }, lookMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Behind sudo the login is root's: whoever called sudo has a home of their own. */
function sudoNotes({ sudo }: Invoker, api: string): string[] {
  return sudo === undefined ? [] : [`this login is root's; for your own: sudo labctl login --local ${api}`];
}

/** Never rejects for what a person has to mend: that is a note. */
export async function openLogin(input: OwnLoginInput, stack: AsyncDisposableStack): Promise<OwnLogin> {
  const { world, dataDir, api, core } = input;
  const { env } = world;
  try {
    const invoker = invokerOf(env);
    const user = userNameOf(undefined, invoker);
    checkHome(env);
    const known = { url: api, pins: core.authority.bundle().pins.join(',') };
    const name = await localContext(env, known, dataDir);
    const labd = (await isGood(input, name)) ? known : await logIn(input, name, user);
    const isCurrent = writeContext(env, name, labd);
    stack.use(keepLogin(input, name, user));
    return { context: { name, isCurrent }, notes: sudoNotes(invoker, api) };
  } catch (error) {
    world.life.signal.throwIfAborted();
    if (!(error instanceof CommandError)) throw error;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    return { context: undefined, notes: [`nobody was logged in to labd: ${error.message}${hint}`] };
  }
}
