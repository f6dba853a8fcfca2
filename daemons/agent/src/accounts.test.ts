import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Account, accountFor, type Accounts, asAccount, parsePasswd, systemAccounts } from './accounts.ts';
import type { Refused } from './session-run.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-accounts-'));
afterAll(() => rmSync(folder, { recursive: true }));
const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root', shell: '/bin/bash' };
const ann: Account = { name: 'ann', uid: 1000, gid: 100, home: '/home/ann', shell: '/bin/zsh' };
const accounts = (self: Account): Accounts => ({
  self,
  find: async (name) => [root, ann].find((one) => one.name === name),
});
const reason = (asking: Promise<unknown>) =>
  asking.then(
    (account) => (account as Account).name,
    (error) => (error as Refused).reason,
  );

describe('passwd', () => {
  test('lines are accounts, other lines are none', () => {
    const text =
      'root:x:0:0:root:/root:/bin/bash\n\n#c:x:1:1::/:\nbad\nx:x:-1:0::/:\nann:x:1000:100:Ann,,,:/home/ann:\n+nis\nb:x:1:2:::\n';
    expect(parsePasswd(text)).toEqual([
      root,
      { ...ann, shell: '/bin/sh' },
      { name: 'b', uid: 1, gid: 2, home: '/', shell: '/bin/sh' },
    ]);
  });

  test('any text gives accounts with names and numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', ':', '1', '0', '#', ' ') })), (lines) => {
        for (const { name, uid, gid } of parsePasswd(lines.join('\n'))) {
          expect(name).not.toBe('');
          expect(Number.isInteger(uid) && Number.isInteger(gid)).toBe(true);
        }
      }),
    );
  });

  test('the machine’s: by file, by name service, not at all', async () => {
    const file = join(folder, 'passwd');
    writeFileSync(file, 'only-here:x:4242:4242::/:/bin/sh\n');
    const system = systemAccounts(file);
    expect((await system.find('only-here'))?.uid).toBe(4242);
    expect((await system.find('root'))?.uid).toBe(0);
    expect(await system.find('no-such-account')).toBeUndefined();
    expect(system.self.uid).toBe(process.getuid!());
  });
});

describe('AG-3 EX-2 who may be used', () => {
  test('the default is the agent’s own account', async () => {
    expect(await reason(accountFor(undefined, accounts(root), ['*']))).toBe('root');
    expect(await reason(accountFor(undefined, accounts(ann), ['*']))).toBe('ann');
  });

  test('logins limits it, by names and globs, before it is looked up', async () => {
    expect(await reason(accountFor('ann', accounts(root), ['a*']))).toBe('ann');
    expect(await reason(accountFor('ann', accounts(root), ['b*', 'an']))).toBe('denied');
    expect(await reason(accountFor('ann', accounts(root), ['.*']))).toBe('denied');
    expect(await reason(accountFor(undefined, accounts(root), ['ann']))).toBe('denied');
    expect(await reason(accountFor('nobody-here', accounts(root), ['x']))).toBe('denied');
    expect(await reason(accountFor('nobody-here', accounts(root), ['*']))).toBe('user-unknown');
  });

  test('an agent that is not root stays who it is', async () => {
    expect(await reason(accountFor('root', accounts(ann), ['*']))).toBe('denied');
    expect(await reason(accountFor('ann', accounts(ann), ['*']))).toBe('ann');
  });

  test('another account is reached with its groups; the own needs nothing', () => {
    expect(asAccount(root, accounts(root))).toEqual([]);
    const prefix = asAccount(ann, accounts(root));
    expect(prefix.join(' ')).toMatch(/setpriv --reuid 1000 --regid 100 --init-groups --$|runuser -u ann --$/);
  });
});
