/** Accounts of this machine, and how to run something as one of them (EX-2). */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { Refused } from './session-run.ts';

export type Account = { name: string; uid: number; gid: number; home: string; shell: string };

export interface Accounts {
  /** Whom the agent runs as. */
  readonly self: Account;
  /** Undefined: there is no such account. */
  find(name: string): Promise<Account | undefined>;
}

const lookupTimeoutMs = 5_000;

/** Reads passwd(5) text; lines that are none are left out. */
export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap((line): Account[] => {
    const [name = '', , uid = '', gid = '', , home = '', shell = ''] = line.split(':');
    if (name === '' || name.startsWith('#') || !/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid)) return [];
    return [{ name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' }];
  });
}

/** Asks the name service, which also knows directories such as LDAP; undefined where getent is missing. */
async function askNameService(name: string): Promise<string> {
  const getent = Bun.which('getent');
  if (getent === null) return '';
  const child = Bun.spawn([getent, 'passwd', '--', name], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: lookupTimeoutMs,
  });
  return child.stdout.text();
}

function readPasswd(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The machine's accounts: /etc/passwd first, then the name service. */
export function systemAccounts(passwdFile = '/etc/passwd'): Accounts {
  const me = userInfo();
  // The runtime takes home and shell from the environment, where a service manager sets neither.
  const listed = parsePasswd(readPasswd(passwdFile)).find(({ uid }) => uid === me.uid);
  const self = listed ?? { name: me.username, uid: me.uid, gid: me.gid, home: me.homedir, shell: '/bin/sh' };
  const among = (text: string, name: string) => parsePasswd(text).find((account) => account.name === name);
  return {
    self,
    find: async (name) => {
      const local = among(await readFile(passwdFile, 'utf8').catch(() => ''), name);
      return local ?? among(await askNameService(name), name);
    },
  };
}

/** `*` stands for any characters; all else for itself. */
const matchesName = (glob: string, name: string) =>
  new RegExp(
    `^${glob
      .split('*')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
    's',
  ).test(name);

/**
 * The account that `login` names, or the agent's own.
 * @throws Refused user-unknown; denied when `logins` (AG-3) leaves it out or the agent cannot become it.
 */
export async function accountFor(
  login: string | undefined,
  accounts: Accounts,
  logins: readonly string[],
): Promise<Account> {
  const name = login ?? accounts.self.name;
  // Judged before it is looked up, so that a refusal does not tell which accounts exist.
  if (!logins.some((glob) => matchesName(glob, name))) {
    throw new Refused('denied', 'this agent does not allow that account (agent.logins)');
  }
  const found = name === accounts.self.name ? accounts.self : await accounts.find(name);
  if (found === undefined) throw new Refused('user-unknown', 'there is no such account on this server');
  if (found.uid !== accounts.self.uid && accounts.self.uid !== 0) {
    throw new Refused('denied', 'this agent does not run as root, so it cannot become another account');
  }
  return found;
}

/**
 * What to put before a command to run it as `account` with its supplementary groups: nothing for the agent's own. The
 * runtime's uid option drops those groups, so a program does it.
 * @throws Refused when neither setpriv nor runuser is installed.
 */
export function asAccount(account: Account, accounts: Accounts): string[] {
  if (account.uid === accounts.self.uid) return [];
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const setpriv = Bun.which('setpriv', { PATH: path });
  // Busybox has a setpriv that knows none of this.
  if (setpriv !== null && isUtilLinux(setpriv)) {
    return [setpriv, '--reuid', String(account.uid), '--regid', String(account.gid), '--init-groups', '--'];
  }
  const runuser = Bun.which('runuser', { PATH: path });
  if (runuser === null) throw new Refused('spawn-failed', 'setpriv or runuser (util-linux) is needed for that');
  return [runuser, '-u', account.name, '--'];
}

const known = new Map<string, boolean>();
/** Asked once a path: the answer does not change while the agent runs. */
function isUtilLinux(setpriv: string): boolean {
  const before = known.get(setpriv);
  if (before !== undefined) return before;
  const answer = Bun.spawnSync([setpriv, '--help'], { stdin: 'ignore', timeout: lookupTimeoutMs });
  const does = answer.stdout.toString().includes('--init-groups');
  known.set(setpriv, does);
  return does;
}
