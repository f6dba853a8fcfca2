/**
 * What the checks of the fleet go by: the settings and the login of this account, each as far as it can be read, and a
 * finding for each part of it that is wrong.
 */
import { existsSync, statSync } from 'node:fs';
import { CommandError } from '../command-error.ts';
import type { Environment } from '../command.ts';
import { envName } from '../config/config-keys.ts';
import { configPath, credentialsPath, labctlFolder } from '../config/config-paths.ts';
import { Settings } from '../config/settings.ts';
import { type Credentials, readCredentials } from '../credentials/credentials.ts';
import { renewalState } from '../credentials/renewal.ts';
import { ago, until } from '../terminal/span.ts';
import { failing, type Finding, okay, warning } from './finding.ts';

export type FleetGround = {
  findings: Finding[];
  /** Undefined when there is nothing to go on with. */
  settings: Settings | undefined;
  credentials: Credentials | undefined;
};

/** Whether somebody has set up a labd here; looked for without reading anything. */
export const isFleetConfigured = (env: Environment): boolean =>
  existsSync(configPath(env)) || Boolean(env[envName('labd.url')]);

const modeOf = (path: string): number | undefined => {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return undefined;
  }
};

/** Folders and files that nobody else may read. */
function checkModes(env: Environment, context: string): Finding | undefined {
  const wanted = [
    [labctlFolder(env), 0o700],
    [configPath(env), 0o600],
    [credentialsPath(env, context), 0o600],
  ] as const;
  for (const [path, mode] of wanted) {
    const found = modeOf(path);
    if (found === undefined || (found & ~mode & 0o077) === 0) continue;
    const text = `${path} is open to others (mode ${found.toString(8)})`;
    return warning('labctl config', text, `chmod ${mode.toString(8)} ${path}`);
  }
  return undefined;
}

/** @param now Unix ms */
function checkLife({ certificate }: Credentials, context: string, now: number): Finding {
  const name = 'login';
  const { notBefore, notAfter } = certificate;
  const ends = new Date(notAfter).toISOString();
  const way = `labctl login${context === 'default' ? '' : ` --context ${context}`}`;
  if (notBefore > now) {
    const text = `the certificate is valid ${until(new Date(notBefore).toISOString(), now)} only`;
    return failing(name, text, 'the clock of this machine is behind: set it');
  }
  if (renewalState(certificate, now) === 'expired') return failing(name, `it ended ${ago(ends, now)}`, way);
  const text = `context ${context}, certificate ends ${until(ends, now)}`;
  // Half its life over it is renewed by any command; a quarter left says that this does not work (CA-12).
  if (notAfter - now >= (notAfter - notBefore) / 4) return okay(name, text);
  return warning(name, `${text}, and was not renewed`, `${way}; labctl whoami --verbose tells why it is not renewed`);
}

/** @param flags of `--context`; @param now Unix ms */
export async function readFleetGround(
  env: Environment,
  context: string | undefined,
  now: number,
): Promise<FleetGround> {
  const findings: Finding[] = [];
  let settings: Settings;
  try {
    const flags = context === undefined ? {} : { currentContext: { value: context, flag: '--context' } };
    settings = new Settings({ env, flags });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    findings.push(failing('labctl config', error.message, error.hint ?? 'mend this line'));
    return { findings, settings: undefined, credentials: undefined };
  }
  const { value: url, origin } = settings.setting('labd.url');
  const modes = checkModes(env, settings.context);
  findings.push(modes ?? okay('labctl config', `${configPath(env)}, context ${settings.context}`));
  if (url === undefined) {
    findings.push(okay('labd url', 'none is set up; labctl login https://HOST:3100 does'));
    return { findings, settings: undefined, credentials: undefined };
  }
  findings.push(okay('labd url', `${url}, from ${origin}`));
  try {
    const credentials = await readCredentials(env, settings.context);
    const none = () => failing('login', `nobody is logged in to context ${settings.context}`, `labctl login ${url}`);
    findings.push(credentials === undefined ? none() : checkLife(credentials, settings.context, now));
    return { findings, settings, credentials };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    findings.push(failing('login', error.message, error.hint ?? 'labctl login'));
    return { findings, settings, credentials: undefined };
  }
}
