/** What emergency ssh goes by (CT-3): looked at where somebody has set it up. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../command.ts';
import type { Settings } from '../config/settings.ts';
import { type Finding, failing, okay, warning } from './finding.ts';

/** `~/` is the home of whoever asks. */
const pathOf = (text: string, env: Environment): string =>
  text.startsWith('~/') && env['HOME'] !== undefined ? join(env['HOME'], text.slice(2)) : text;

function checkKey(path: string): Finding | undefined {
  let mode: number;
  try {
    const found = statSync(path);
    if (!found.isFile()) return failing('ssh', `${path} is no file`, 'labctl config set ssh.keyFile FILE');
    mode = found.mode & 0o777;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return failing('ssh', `the key ${path} cannot be read (${code})`, 'labctl config set ssh.keyFile FILE');
  }
  if ((mode & 0o077) === 0) return undefined;
  return failing('ssh', `${path} is open to others (mode ${mode.toString(8)}): ssh refuses it`, `chmod 600 ${path}`);
}

/** @param env also for PATH */
export function checkSsh(settings: Settings, env: Environment): Finding[] {
  const [user, keyFile] = [settings.get('ssh.user'), settings.get('ssh.keyFile')];
  if (user === undefined && keyFile === undefined) return [];
  const program = Bun.which('ssh', { PATH: env['PATH'] ?? '' });
  if (program === null)
    return [
      warning('ssh', 'there is no ssh program here', 'install openssh-client, or unset ssh.user and ssh.keyFile'),
    ];
  const wrong = keyFile === undefined ? undefined : checkKey(pathOf(keyFile, env));
  return [wrong ?? okay('ssh', `${program}${user === undefined ? '' : `, as ${user}`}`)];
}
