/** Runs a classic BPF program over one seccomp_data, by the rules of the kernel's checker: what is not known throws. */
import { bpfCodes } from '../seccomp/seccomp-program.ts';

export type SeccompData = { nr: number; arch: number; args?: readonly bigint[] };

const dataBytes = 64;

function encode({ nr, arch, args = [] }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(dataBytes));
  view.setUint32(0, nr, true);
  view.setUint32(4, arch, true);
  for (const [index, value] of args.entries()) view.setBigUint64(16 + index * 8, value, true);
  return view;
}

/** Gives what the program returns: an action of linux/seccomp.h. */
export function interpretBpf(program: Uint8Array, data: SeccompData): number {
  const memory = encode(data);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.byteLength / 8;
  let accumulator = 0;
  for (let at = 0; at < count; at++) {
    const code = view.getUint16(at * 8, true);
    const k = view.getUint32(at * 8 + 4, true);
    const branch = (taken: boolean) => view.getUint8(at * 8 + (taken ? 2 : 3));
    if (code === bpfCodes.return) return k;
    if (code === bpfCodes.loadWord) {
      if (k % 4 !== 0 || k >= dataBytes) throw new Error(`step ${at} loads from ${k}`);
      accumulator = memory.getUint32(k, true);
    } else if (code === bpfCodes.jumpEqual) at += branch(accumulator === k);
    else if (code === bpfCodes.jumpGreaterEqual) at += branch(accumulator >= k);
    else if (code === bpfCodes.jumpSet) at += branch((accumulator & k) !== 0);
    else throw new Error(`step ${at} has the unknown code ${code}`);
  }
  throw new Error('the program runs past its end');
}
