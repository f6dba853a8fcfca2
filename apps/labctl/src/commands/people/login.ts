import type { World } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { CommandError } from '../../command-error.ts';
import { contextExpectation, contextPattern } from '../../config/config-keys.ts';
import { Settings } from '../../config/settings.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { choosePins, chooseMethod, chooseUrl, type LoginMethod } from '../../login/choose-method.ts';
import { certifySession, enrolWithToken, type LabdDoor, type NewLogin, openDoor } from '../../login/get-certificate.ts';
import { grantLocally, invokerOf, leaveRoot, userNameOf } from '../../login/local-login.ts';
import { askSecret, secretFromFile } from '../../login/read-secret.ts';
import { saveLogin } from '../../login/save-login.ts';
import { loginByDevice, loginByOidc, loginByPassword } from '../../login/session-logins.ts';
import { settleTrust } from '../../login/settle-trust.ts';
import { until } from '../../terminal/span.ts';

const options = {
  caPin: { type: 'string', flag: 'ca-pin', placeholder: 'PIN', help: "pin of labd's root certificate: sha256:…" },
  tokenFile: {
    type: 'string',
    flag: 'token-file',
    env: 'LABCTL_TOKEN_FILE',
    placeholder: 'FILE',
    help: 'one-time token from a file, or from stdin with -',
  },
  user: { type: 'string', flag: 'user', placeholder: 'NAME', help: 'log in with a password; with --local, as whom' },
  passwordFile: {
    type: 'string',
    flag: 'password-file',
    placeholder: 'FILE',
    help: 'password from a file, or - for stdin',
  },
  oidc: { type: 'boolean', flag: 'oidc', default: false, help: 'log in with OpenID Connect in a browser' },
  browser: { type: 'boolean', flag: 'browser', default: true, help: 'only show the address, open no browser' },
  device: { type: 'boolean', flag: 'device', default: false, help: 'log in with OpenID Connect on another device' },
  local: {
    type: 'boolean',
    flag: 'local',
    default: false,
    help: "as administrator, over labd's socket on this machine",
  },
  name: { type: 'string', flag: 'name', placeholder: 'NAME', help: 'context to make and to use from now on' },
} as const;

type LoginCall = FleetCall<typeof options>;

async function bySession(call: LoginCall, door: LabdDoor, method: LoginMethod): Promise<NewLogin> {
  const { values, world } = call;
  using client = openDoor(door);
  const ways = {
    password: () => loginByPassword(client, world, { user: values.user ?? '', passwordFile: values.passwordFile }),
    oidc: () => loginByOidc(client, world, values.browser),
    device: () => loginByDevice(client, world),
  } as const;
  const session = await ways[method as keyof typeof ways]();
  return await certifySession(door, session);
}

/** The login of everything but --local: the CA first, then what proves who asks. */
async function overNetwork(call: LoginCall, url: string, method: LoginMethod): Promise<NewLogin> {
  const { values, world, settings, detail } = call;
  const { timeoutMs } = settings;
  const trust = await settleTrust({ url, pins: choosePins(values.caPin, url, settings), timeoutMs, world });
  const door: LabdDoor = { url, trust, timeoutMs, world, note: detail };
  if (method !== 'token') return bySession(call, door, method);
  const token =
    values.tokenFile === undefined
      ? await askSecret(world, 'Login token: ', '--token-file FILE, or - for stdin')
      : await secretFromFile(world, values.tokenFile, '--token-file');
  return enrolWithToken(door, token);
}

/** Gives the environment of whoever is logged in: behind sudo that is not root. */
async function overSocket(call: LoginCall): Promise<{ url: string; login: NewLogin; env: World['env'] }> {
  const { values, world, labd, note, detail, positionals } = call;
  const invoker = invokerOf(world.env);
  const name = userNameOf(values.user, invoker);
  const grant = await grantLocally(await labd(), name);
  note(grant.isNew ? `made user ${name} with role admin` : `made a new login token for user ${name}`);
  const home = leaveRoot(invoker);
  const env = home === undefined ? world.env : { ...world.env, HOME: home };
  const settings = home === undefined ? call.settings : new Settings({ env, newContext: true });
  const url = chooseUrl(positionals[0], settings, 'local');
  const { timeoutMs } = settings;
  const door = { url, trust: grant.trust, timeoutMs, world, note: detail };
  return { url, login: await enrolWithToken(door, grant.token), env };
}

/**
 * ID-1 … ID-4, JT-6. The order is the point: the CA is settled before anything secret is sent, and nothing is kept before
 * labd has certified the key that was made here.
 */
export const login = defineFleetCommand({
  name: 'login',
  summary:
    'Logs in to a labd: makes a key on this machine, checks the CA by its pin, and gets a certificate for the key; it is ' +
    'renewed silently from then on. Without another way named, asks for the one-time token of labctl create user.',
  usage:
    'labctl login [URL] [--ca-pin PIN] [--token-file FILE | --user NAME | --oidc | --device | --local] [--name NAME]',
  examples: [
    'sudo labctl login --local',
    'labctl login https://lab.example:3100 --ca-pin sha256:… --token-file token.txt',
    'labctl login https://lab.example:3100 --user alice --name prod',
    'labctl login --device',
  ],
  options,
  newContext: true,
  positionalsMax: 1,
  async run(call) {
    const { values, positionals, sources, settings, note, result, world } = call;
    if (values.name !== undefined && !contextPattern.test(values.name)) {
      throw new CommandError(`--name: expected ${contextExpectation}`, { exitCode: exitCodes.usage });
    }
    // A token file of the environment is there for whoever names no other way.
    const tokenFile = sources.tokenFile === '--token-file' ? values.tokenFile : undefined;
    const method = chooseMethod({ ...values, tokenFile });
    const context = values.name ?? settings.context;
    const url = chooseUrl(positionals[0], settings, method);
    if (values.dryRun) return note(`dry run: would log in to ${url} and keep the login as context ${context}`);
    const made =
      method === 'local'
        ? await overSocket(call)
        : { url, login: await overNetwork(call, url, method), env: world.env };
    await saveLogin({ ...made, context, choose: values.name !== undefined });
    const { user, expiresAt, loginExpiresAt, caPin } = made.login.answer;
    const now = world.clock.wall();
    note(`logged in to ${made.url} as ${user.name}; the login ends ${until(loginExpiresAt, now)}`);
    await result.object({ context, url: made.url, user, caPin, expiresAt, loginExpiresAt }, '');
  },
});
