import { describe, expect, test } from 'bun:test';
import { sandboxLimitsSchema } from '@labmesh/wire/verification/sandbox';
import { recipe, type RecipeInput } from './recipe.ts';

const input: RecipeInput = {
  programs: { prlimit: '/usr/bin/prlimit', setpriv: '/usr/bin/setpriv', bwrap: '/usr/bin/bwrap' },
  uid: 900_007,
  ownUid: 0,
  limits: sandboxLimitsSchema.parse({}),
  hasCgroup: true,
  binds: [{ source: '/srv/in', target: '/tmp/in' }],
  env: {},
  argv: ['/usr/bin/true', '--x'],
};

describe('the recipe', () => {
  test('is that of SB5, word for word', () => {
    const expected = `/usr/bin/prlimit --core=0 --nofile=64 --fsize=67108864 --cpu=30:31
      /usr/bin/setpriv --reuid 900007 --regid 900007 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs
      /usr/bin/bwrap --unshare-all --unshare-user --disable-userns --die-with-parent --new-session --cap-drop ALL
      --hostname sandbox --clearenv --setenv PATH /usr/bin:/bin --setenv HOME /tmp --setenv LANG C.UTF-8
      --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin
      --proc /proc --ro-bind /proc/sys /proc/sys --dev /dev --size 8388608 --tmpfs /dev/shm --remount-ro /dev
      --size 67108864 --tmpfs /tmp --chdir /tmp --ro-bind /srv/in /tmp/in --remount-ro /
      --seccomp 3 --info-fd 4 --block-fd 5 --json-status-fd 6 -- /usr/bin/true --x`;
    expect(recipe(input)).toEqual(expected.trim().split(/\s+/));
  });

  test('without root stays who it is, and drops nothing that needs root', () => {
    const words = recipe({ ...input, uid: undefined, ownUid: 1000 });
    for (const word of ['--reuid', '--clear-groups', '--bounding-set=-all']) expect(words).not.toContain(word);
    expect(words).toContain('--no-new-privs');
  });

  test('without a cgroup holds memory and processes by rlimits inside', () => {
    const words = recipe({ ...input, hasCgroup: false });
    const inside = ['/usr/bin/prlimit', '--nproc=65', '--data=536870912', '--', '/usr/bin/true', '--x'];
    expect(words.slice(words.indexOf('--') + 1)).toEqual(inside);
  });

  test('takes the CPU time in whole seconds, upwards', () => {
    expect(recipe({ ...input, limits: { ...input.limits, cpuMs: 1 } })).toContain('--cpu=1:2');
    expect(recipe({ ...input, limits: { ...input.limits, cpuMs: 1001 } })).toContain('--cpu=2:3');
  });

  test("lets a job's words be nobody's option", () => {
    const words = recipe({ ...input, argv: ['--bind', '/', '/'] });
    expect(words.slice(-4)).toEqual(['--', '--bind', '/', '/']);
  });

  test('takes the job’s environment over its own', () => {
    const words = recipe({ ...input, env: { PATH: '/x' } }).join(' ');
    expect(words).toContain('--setenv PATH /x');
    expect(words).not.toContain('/usr/bin:/bin');
  });

  test.each([
    { uid: undefined, ownUid: 0 },
    { uid: 0, ownUid: 0 },
    { uid: 0, ownUid: 1000 },
  ])('never starts bwrap as root: %p', (who) => {
    expect(() => recipe({ ...input, ...who })).toThrow('never started with uid 0');
  });
});
