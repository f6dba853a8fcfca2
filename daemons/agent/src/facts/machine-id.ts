/** Names by which a machine is known again. */
import type { MachineFiles } from './machine-files.ts';

const idFiles = ['etc/machine-id', 'var/lib/dbus/machine-id'];

/** Hashed with our name: the raw machine id is not to be told to others (machine-id(5)). Empty when there is none. */
export function machineId(files: MachineFiles): string {
  const raw = idFiles.map((path) => files.text(path)).find((text) => text !== undefined && /^[0-9a-f]{32}$/.test(text));
  if (raw === undefined) return '';
  return new Bun.CryptoHasher('sha256').update(`labmesh-machine-v1\n${raw}`).digest('hex').slice(0, 32);
}

/** New with each boot; empty where the kernel tells none. */
export const bootId = (files: MachineFiles): string => files.text('proc/sys/kernel/random/boot_id') ?? '';
