/** Ways to a session: name and password, OpenID Connect in a browser here, or on another device (ID-3, ID-4). */
import { createHash, randomBytes } from 'node:crypto';
import type { LabdClient } from '../client/labd-client.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { safeText } from '../terminal/safe-text.ts';
import { startLoopback } from './loopback.ts';
import { openBrowser } from './open-browser.ts';
import { askSecret, secretFromFile } from './read-secret.ts';

export type PasswordInput = { user: string; passwordFile: string | undefined };

/**
 * The code is asked for with the password and may be left out: labd does not tell which of the two is wrong (ID-3), and
 * a try without it would count as a failure.
 */
async function askCode(world: World): Promise<string | undefined> {
  if (!world.stdinIsTerminal || !world.stderrIsTerminal) return undefined;
  const text = (await world.ask('One-time code (Enter if you have none): '))?.replaceAll(/\s/g, '') ?? '';
  if (text === '' || /^\d{6}$/.test(text)) return text || undefined;
  throw new CommandError('a one-time code has six digits', { exitCode: exitCodes.usage });
}

/** Gives the session `lms_…`. @throws LabdError; CommandError */
export async function loginByPassword(client: LabdClient, world: World, input: PasswordInput): Promise<string> {
  const { user, passwordFile } = input;
  const password =
    passwordFile === undefined
      ? await askSecret(world, `Password of ${user}: `, '--password-file FILE, or - for stdin')
      : await secretFromFile(world, passwordFile, '--password-file');
  const totp = passwordFile === undefined ? await askCode(world) : undefined;
  const body = { user, password, ...(totp !== undefined && { totp }) };
  return (await client.call('login', { body })).session;
}

/** `browser`: open one, beside showing the address. */
export async function loginByOidc(client: LabdClient, world: World, browser: boolean): Promise<string> {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  await using loopback = await startLoopback();
  const { redirectUri } = loopback;
  const { url, state, expiresAt } = await client.call('start-oidc', { body: { redirectUri, challenge } });
  world.stderr(`Log in with a browser on this machine:\n  ${safeText(url)}\n`);
  if (browser) openBrowser(url, world.env);
  const waitMs = Date.parse(expiresAt) - world.clock.wall();
  const brought = await loopback.answer(state, { waitMs, signal: world.life.signal });
  return (await client.call('finish-oidc', { query: { ...brought, state, verifier } })).session;
}

const tooLate = () =>
  new CommandError('nobody logged in with this code in time', { hint: 'start again', exitCode: exitCodes.timeout });

/** RFC 8628: shows a code, and asks until somebody has typed it elsewhere. */
export async function loginByDevice(client: LabdClient, world: World): Promise<string> {
  const started = await client.call('start-device');
  const { handle, userCode, verificationUri, verificationUriComplete } = started;
  world.stderr(`On another device open  ${safeText(verificationUri)}\nand type the code      ${safeText(userCode)}\n`);
  if (verificationUriComplete !== null) world.stderr(`or open                ${safeText(verificationUriComplete)}\n`);
  const endAt = Date.parse(started.expiresAt);
  let { intervalMs } = started;
  for (;;) {
    // Never faster than a person types, whatever is asked for.
    await world.clock.sleep(Math.max(1_000, intervalMs), world.life.signal);
    if (world.clock.wall() > endAt) throw tooLate();
    const polled = await client.call('poll-device', { body: { handle } });
    if (polled.status === 'done') return polled.session;
    ({ intervalMs } = polled);
  }
}
