/**
 * The system call filter as classic BPF (verification SB8), as `bwrap --seccomp` takes it: records of 8 bytes
 * {u16 code, u8 jt, u8 jf, u32 k}, little endian. It runs over struct seccomp_data
 *
 *     0 nr   4 arch   8 instruction pointer   16 args[0]   24 args[1] …      (low half of an argument first)
 *
 * and tells, in this order: a foreign architecture or x32 call → the process dies; clone3 → ENOSYS, so that libc falls
 * back to clone, whose flags can be seen; clone into new namespaces, the ioctl that types into a terminal, and the
 * denied calls → EPERM; all else is allowed.
 */
import { type Architecture, auditArchitectures, callNumber, deniedCalls, inspectedCalls } from './syscall-numbers.ts';

/** What the kernel does with a call. */
export const seccompActions = {
  killProcess: 0x80000000,
  enosys: 0x00050026,
  eperm: 0x00050001,
  allow: 0x7fff0000,
} as const;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
export const cloneNamespaceFlags = 0x7e020000;
export const tiocsti = 0x5412;
const x32Bit = 0x40000000;

/** Opcodes of linux/bpf_common.h: class, size and mode or operation and source together. */
export const bpfCodes = {
  loadWord: 0x20,
  jumpEqual: 0x15,
  jumpGreaterEqual: 0x35,
  jumpSet: 0x45,
  return: 0x06,
} as const;
const offsets = { nr: 0, arch: 4, arg0: 16, arg1: 24 } as const;

type Label = 'kill' | 'enosys' | 'eperm' | 'allow' | 'clone' | 'ioctl';
type Step = { code: number; k: number; onTrue?: Label; onFalse?: Label };
type Line = Step | { label: Label };

const load = (k: number): Step => ({ code: bpfCodes.loadWord, k });
const ret = (k: number): Step => ({ code: bpfCodes.return, k });
const jump = (code: number, k: number, onTrue?: Label, onFalse?: Label): Step => ({
  code,
  k,
  ...(onTrue && { onTrue }),
  ...(onFalse && { onFalse }),
});

function lines(architecture: Architecture): Line[] {
  const number = (name: keyof typeof inspectedCalls) => callNumber(inspectedCalls[name], architecture) ?? -1;
  const denied = Object.values(deniedCalls)
    .map((numbers) => callNumber(numbers, architecture))
    .filter((nr) => nr !== undefined);
  const { jumpEqual, jumpGreaterEqual, jumpSet } = bpfCodes;
  return [
    load(offsets.arch),
    jump(jumpEqual, auditArchitectures[architecture], undefined, 'kill'),
    load(offsets.nr),
    jump(jumpGreaterEqual, x32Bit, 'kill'),
    jump(jumpEqual, number('clone3'), 'enosys'),
    jump(jumpEqual, number('clone'), 'clone'),
    jump(jumpEqual, number('ioctl'), 'ioctl'),
    ...denied.map((nr) => jump(jumpEqual, nr, 'eperm')),
    { label: 'allow' },
    ret(seccompActions.allow),
    { label: 'clone' },
    load(offsets.arg0),
    jump(jumpSet, cloneNamespaceFlags, 'eperm'),
    ret(seccompActions.allow),
    { label: 'ioctl' },
    load(offsets.arg1),
    jump(jumpEqual, tiocsti, 'eperm'),
    ret(seccompActions.allow),
    { label: 'eperm' },
    ret(seccompActions.eperm),
    { label: 'enosys' },
    ret(seccompActions.enosys),
    { label: 'kill' },
    ret(seccompActions.killProcess),
  ];
}

/** Puts distances in the place of labels. A distance is one byte, forwards only. */
function assemble(all: readonly Line[]): Uint8Array<ArrayBuffer> {
  const places = new Map<Label, number>();
  const steps: Step[] = [];
  for (const line of all) {
    if ('label' in line) places.set(line.label, steps.length);
    else steps.push(line);
  }
  const view = new DataView(new ArrayBuffer(steps.length * 8));
  const distance = (from: number, label: Label | undefined) => {
    if (label === undefined) return 0;
    const far = (places.get(label) ?? -1) - from - 1;
    if (far < 0 || far > 255) throw new RangeError(`the filter cannot jump ${far} steps to ${label}`);
    return far;
  };
  for (const [index, { code, k, onTrue, onFalse }] of steps.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, distance(index, onTrue));
    view.setUint8(index * 8 + 3, distance(index, onFalse));
    view.setUint32(index * 8 + 4, k, true);
  }
  return new Uint8Array(view.buffer);
}

/** The whole filter for an architecture. Source: verification SB8 and SB9. */
export const seccompProgram = (architecture: Architecture): Uint8Array<ArrayBuffer> => assemble(lines(architecture));
