import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { interpretBpf } from '../testing/interpret-bpf.ts';
import { cloneNamespaceFlags, seccompActions, seccompProgram, tiocsti } from './seccomp-program.ts';
import { type Architecture, auditArchitectures, callNumber, deniedCalls, inspectedCalls } from './syscall-numbers.ts';

const architectures: readonly Architecture[] = ['x64', 'arm64'];
const { allow, enosys, eperm, killProcess } = seccompActions;

describe.each(architectures)('the filter for %s', (architecture) => {
  const program = seccompProgram(architecture);
  const arch = auditArchitectures[architecture];
  const call = (nr: number, ...args: bigint[]) => interpretBpf(program, { nr, arch, args });
  const nr = (name: keyof typeof inspectedCalls) => callNumber(inspectedCalls[name], architecture) ?? -1;
  const denied = Object.values(deniedCalls).map((numbers) => callNumber(numbers, architecture));

  test('is whole records, and every jump lands inside', () => {
    expect(program.length % 8).toBe(0);
    const count = program.length / 8;
    expect(count).toBeLessThan(4096);
    const view = new DataView(program.buffer);
    for (let at = 0; at < count; at++) {
      expect(at + 1 + view.getUint8(at * 8 + 2)).toBeLessThanOrEqual(count);
      expect(at + 1 + view.getUint8(at * 8 + 3)).toBeLessThanOrEqual(count);
    }
  });

  test('refuses each call of the list with EPERM', () => {
    for (const [name, numbers] of Object.entries(deniedCalls)) {
      const number = callNumber(numbers, architecture);
      if (number !== undefined) expect(call(number), name).toBe(eperm);
    }
  });

  test('answers clone3 with ENOSYS, so that libc takes clone', () => expect(call(nr('clone3'))).toBe(enosys));

  test('lets clone make threads and processes, but no namespace', () => {
    // CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | SETTLS | PARENT_SETTID | CHILD_CLEARTID, and fork.
    for (const flags of [0x3d0f00n, 0x1200011n]) expect(call(nr('clone'), flags)).toBe(allow);
    for (let bit = 0; bit < 32; bit++) {
      const isNamespace = ((cloneNamespaceFlags >>> bit) & 1) === 1;
      expect(call(nr('clone'), 1n << BigInt(bit)), `bit ${bit}`).toBe(isNamespace ? eperm : allow);
    }
    expect(call(nr('clone'), 0xffffffff_10000000n)).toBe(eperm);
  });

  test('refuses to type into a terminal, whatever stands in the upper half', () => {
    expect(call(nr('ioctl'), 0n, BigInt(tiocsti))).toBe(eperm);
    expect(call(nr('ioctl'), 0n, 0xdeadbeef_00000000n + BigInt(tiocsti))).toBe(eperm);
    // TCGETS, TIOCGWINSZ and FIONREAD.
    for (const request of [0x5401n, 0x5413n, 0x541bn]) expect(call(nr('ioctl'), 0n, request)).toBe(allow);
    expect(call(nr('ioctl'), BigInt(tiocsti), 0n)).toBe(allow);
  });

  test('kills a process that calls by another architecture', () => {
    const foreign = fc.integer({ min: 0, max: 0xffffffff }).filter((other) => other !== arch);
    fc.assert(
      fc.property(foreign, fc.nat(500), (other, number) => {
        expect(interpretBpf(program, { nr: number, arch: other })).toBe(killProcess);
      }),
    );
    // i386, ARM: what a process can switch to.
    for (const other of [0x40000003, 0x40000028])
      expect(interpretBpf(program, { nr: 1, arch: other })).toBe(killProcess);
  });

  test('kills x32 calls', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0x40000000, max: 0xffffffff }), (number) => {
        expect(call(number)).toBe(killProcess);
      }),
    );
  });

  test('allows every other call, whatever its arguments', () => {
    const other = fc.nat(1000).filter(
      (n) =>
        !denied.includes(n) &&
        !Object.values(inspectedCalls)
          .flat()
          .includes(n as never),
    );
    fc.assert(
      fc.property(other, fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 6 }), (number, args) => {
        expect(call(number, ...args)).toBe(allow);
      }),
    );
  });
});

test('names every call of SB9', () => {
  const patterns =
    'ptrace process_vm_* mount* umount2 fsopen fsconfig fsmount fspick move_mount open_tree pivot_root chroot unshare setns bpf add_key request_key keyctl io_uring_* userfaultfd perf_event_open kexec_* *_module *_handle_at reboot swap* acct syslog quotactl personality settimeofday clock_settime clock_adjtime adjtimex iopl ioperm kcmp pidfd_getfd memfd_secret sethostname setdomainname';
  for (const pattern of patterns.split(' ')) {
    const glob = new Bun.Glob(pattern);
    expect(
      Object.keys(deniedCalls).some((name) => glob.match(name)),
      pattern,
    ).toBe(true);
  }
});

const x64Header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
const genericHeader = '/usr/include/asm-generic/unistd.h';

describe.skipIf(!existsSync(x64Header) || !existsSync(genericHeader))('numbers (needs linux-libc-dev)', () => {
  const defined = (path: string) =>
    new Map(
      [...readFileSync(path, 'utf8').matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)/gm)].map(
        ([, name, nr]) => [name ?? '', Number(nr)] as const,
      ),
    );
  test.each([
    ['x64', x64Header],
    ['arm64', genericHeader],
  ] as const)('are those of the header for %s', (architecture, path) => {
    const numbers = defined(path);
    let compared = 0;
    for (const [name, pair] of Object.entries({ ...deniedCalls, ...inspectedCalls })) {
      const ours = callNumber(pair, architecture);
      // Headers may be older than a call, and the generic one has no calls of one architecture alone.
      if (!numbers.has(name)) continue;
      compared++;
      expect(ours, name).toBe(numbers.get(name));
    }
    expect(compared).toBeGreaterThan(45);
  });
});
