import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { accountIn, invokerOf, leaveRoot, userNameOf } from './local-login.ts';

const passwd = [
  'root:x:0:0:root:/root:/bin/bash',
  'alice:x:1000:1000:Alice,,,:/home/alice:/bin/zsh',
  'broken',
  'nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin',
  '',
].join('\n');

describe('who is at the terminal', () => {
  test('accounts by their number', () => {
    expect(accountIn(passwd, 1000)).toEqual({ name: 'alice', home: '/home/alice' });
    expect(accountIn(passwd, 0)).toEqual({ name: 'root', home: '/root' });
    expect(accountIn(passwd, 7)).toBeUndefined();
    fc.assert(fc.property(fc.string(), fc.nat(), (text, uid) => void accountIn(text, uid)));
  });

  test('behind sudo it is the person and not root', () => {
    const env = { SUDO_USER: 'Alice', SUDO_UID: '1000', SUDO_GID: '1001' };
    expect(invokerOf(env)).toEqual({ name: 'alice', sudo: { uid: 1000, gid: 1001 } });
  });

  test.each([
    [{}],
    [{ SUDO_USER: 'alice' }],
    [{ SUDO_USER: 'root', SUDO_UID: '0', SUDO_GID: '0' }],
    [{ SUDO_USER: 'alice', SUDO_UID: '-1', SUDO_GID: 'x' }],
  ])('else it is who runs this: %p', (env) => {
    const invoker = invokerOf(env);
    expect(invoker.sudo).toBeUndefined();
    expect(invoker.name).not.toBe('');
    expect(leaveRoot(invoker)).toBeUndefined();
  });

  test('names that labd takes', () => {
    const invoker = { name: 'alice', sudo: undefined };
    expect(userNameOf(undefined, invoker)).toBe('alice');
    expect(userNameOf('Bob@Lab.Example', invoker)).toBe('bob@lab.example');
    for (const bad of ['', 'a b', '-x', 'x/y']) expect(() => userNameOf(bad, invoker)).toThrow('name of a user');
    expect(() => userNameOf(undefined, { name: '_apt', sudo: undefined })).toThrow('_apt');
  });

  test.skipIf(process.getuid?.() !== 0)(
    'ID-1 what root began the person goes on with, and no way leads back (needs root)',
    () => {
      const script = [
        `import { leaveRoot } from ${JSON.stringify(`${import.meta.dir}/local-login.ts`)};`,
        'const home = leaveRoot({ name: "nobody", sudo: { uid: 65534, gid: 65534 } });',
        'let back = "kept";',
        'try { process.setuid(0); back = "root again" } catch {}',
        'console.log(JSON.stringify([home, process.getuid(), process.getgid(), process.getgroups(), back]));',
      ];
      const ran = Bun.spawnSync([process.execPath, '-e', script.join('\n')], { cwd: import.meta.dir });
      const [home, uid, gid, groups, back] = JSON.parse(ran.stdout.toString()) as [
        string,
        number,
        number,
        number[],
        string,
      ];
      expect([home, uid, gid, back]).toEqual(['/nonexistent', 65534, 65534, 'kept']);
      expect(groups).not.toContain(0);
    },
  );
});
