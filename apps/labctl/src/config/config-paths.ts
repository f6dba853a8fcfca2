/** Where labctl keeps what is its own (CT-3, CT-5). */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from '../command.ts';

/** `~/.labctl`, 0700. */
export const labctlFolder = (env: Environment): string => join(env['HOME'] || homedir(), '.labctl');

/** `~/.labctl/config.yaml`, or what LABCTL_CONFIG names. */
export function configPath(env: Environment): string {
  const given = env['LABCTL_CONFIG'];
  return given === undefined || given === '' ? join(labctlFolder(env), 'config.yaml') : resolve(given);
}

/** Key, chain and CA bundle of a context. `context` has passed `contextPattern`. */
export const credentialsPath = (env: Environment, context: string): string =>
  join(labctlFolder(env), 'credentials', `${context}.pem`);
