/** Which way of logging in the flags of `login` mean, and which labd. */
import { CommandError } from '../command-error.ts';
import { configKeys } from '../config/config-keys.ts';
import type { Settings } from '../config/settings.ts';
import { exitCodes } from '../exit-codes.ts';

export type LoginFlags = {
  tokenFile: string | undefined;
  user: string | undefined;
  oidc: boolean;
  device: boolean;
  local: boolean;
};
export type LoginMethod = 'token' | 'password' | 'oidc' | 'device' | 'local';

const usage = (problem: string, hint?: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) for two ways at once */
export function chooseMethod({ tokenFile, user, oidc, device, local }: LoginFlags): LoginMethod {
  const named: [LoginMethod, string, boolean][] = [
    // With --local a user is whom to log in, and not how.
    ['password', '--user', user !== undefined && !local],
    ['token', '--token-file', tokenFile !== undefined],
    ['oidc', '--oidc', oidc],
    ['device', '--device', device],
    ['local', '--local', local],
  ];
  const [first, second] = named.filter(([, , given]) => given);
  if (second !== undefined) throw usage(`one way at a time: ${first?.[1] ?? ''} or ${second[1]}`);
  return first?.[0] ?? 'token';
}

/** Where a labd listens that was not told otherwise (LD-1). */
export const localUrlDefault = 'https://127.0.0.1:3100';

/** The origin to log in to, without a slash at its end. @throws CommandError: exit 2, or 3 when none is known */
export function chooseUrl(given: string | undefined, settings: Settings, method: LoginMethod): string {
  if (given === undefined) {
    return new URL(method === 'local' ? (settings.get('labd.url') ?? localUrlDefault) : settings.need('labd.url'))
      .origin;
  }
  const text = given.includes('://') ? given : `https://${given}`;
  const { fits, expected } = configKeys['labd.url'];
  if (fits(text)) return new URL(text).origin;
  throw usage(`${JSON.stringify(given.slice(0, 200))} is not the address of a labd`, `expected ${expected}`);
}

/** The pins that hold for this labd; one of another labd's in the file does not. @throws CommandError (exit 2) */
export function choosePins(given: string | undefined, url: string, settings: Settings): string | undefined {
  if (given !== undefined) {
    const { fits, expected } = configKeys['labd.caPin'];
    if (fits(given)) return given.toLowerCase();
    throw usage(`--ca-pin: found ${JSON.stringify(given.slice(0, 100))}, expected ${expected}`);
  }
  const { value, layer } = settings.setting('labd.caPin');
  const known = settings.get('labd.url');
  const isOfThis = layer === 'env' || (known !== undefined && new URL(known).origin === url);
  return isOfThis ? value?.toLowerCase() : undefined;
}
