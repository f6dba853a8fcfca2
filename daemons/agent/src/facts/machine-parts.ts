/** Parts of the facts (AG-6), each read from the kernel's own files: no program is needed. */
import type { MachineFiles } from './machine-files.ts';

/** Bounds of the lists, so that the whole stays below 64 KiB on any machine. */
export const factsMax = { disks: 64, nics: 32, gpus: 32, text: 128 } as const;

/** Short, on one line, without control characters. */
export const tidy = (text: string): string =>
  text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, factsMax.text);

const tidied = (text: string | undefined) => (text === undefined ? undefined : tidy(text));

/** `KEY=value` lines, quotes taken off. */
export function parseKeyValues(text: string): Record<string, string> {
  const pairs = text.split('\n').flatMap((line): [string, string][] => {
    const found = /^([A-Z_]{1,64})=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim());
    return found === null ? [] : [[found[1] ?? '', found[2] ?? found[3] ?? found[4] ?? '']];
  });
  return Object.fromEntries(pairs);
}

export function osFacts(files: MachineFiles) {
  const release = parseKeyValues(files.text('etc/os-release') ?? files.text('usr/lib/os-release') ?? '');
  const { ID, VERSION_ID, PRETTY_NAME, NAME } = release;
  return { id: tidied(ID), version: tidied(VERSION_ID), name: tidied(NAME), prettyName: tidied(PRETTY_NAME) };
}

/** `name : value` lines of /proc/cpuinfo, one block a thread. */
export function cpuFacts(files: MachineFiles) {
  const blocks = (files.text('proc/cpuinfo') ?? '').split(/\n\s*\n/);
  const field = (block: string, name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(block)?.[1]?.trim();
  const threads = blocks.filter((block) => field(block, 'processor') !== undefined);
  const first = threads[0] ?? '';
  const model = field(first, 'model name') ?? field(first, 'Model') ?? field(first, 'CPU part');
  const cores = new Set(threads.map((block) => `${field(block, 'physical id')}/${field(block, 'core id')}`));
  // Without topology (most arm64 kernels) each thread is a core.
  const hasTopology = field(first, 'core id') !== undefined;
  return { model: tidied(model), cores: hasTopology ? cores.size : threads.length, threads: threads.length };
}

export function memoryFacts(files: MachineFiles) {
  const text = files.text('proc/meminfo') ?? '';
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), swapBytes: bytes('SwapTotal') };
}

const noDisk = /^(?:loop|ram|zram|dm-|md|sr|fd|nbd)\d*/;
const sectorBytes = 512;

export function diskFacts(files: MachineFiles) {
  const names = files.names('sys/block').filter((name) => !noDisk.test(name));
  return names.slice(0, factsMax.disks).map((name) => ({
    name: tidy(name),
    bytes: (files.number(`sys/block/${name}/size`) ?? 0) * sectorBytes,
    model: tidied(files.text(`sys/block/${name}/device/model`)),
    rotational: files.text(`sys/block/${name}/queue/rotational`) === '1',
    removable: files.text(`sys/block/${name}/removable`) === '1',
  }));
}

/** `addresses` as the runtime tells them, by interface. */
export function nicFacts(files: MachineFiles, addresses: Readonly<Record<string, readonly string[]>>) {
  const addressesMax = 8;
  return files
    .names('sys/class/net')
    .filter((name) => name !== 'lo')
    .slice(0, factsMax.nics)
    .map((name) => {
      const speed = files.number(`sys/class/net/${name}/speed`);
      return {
        name: tidy(name),
        mac: tidied(files.text(`sys/class/net/${name}/address`)),
        // A link that is down tells -1.
        ...(speed !== undefined && speed > 0 && { megabitsPerS: speed }),
        physical: files.has(`sys/class/net/${name}/device`),
        addresses: (addresses[name] ?? []).toSorted().slice(0, addressesMax),
      };
    });
}

const vendors: readonly [pattern: RegExp, name: string][] = [
  [/amazon/i, 'amazon'],
  [/google/i, 'google'],
  [/digitalocean/i, 'digitalocean'],
  [/hetzner/i, 'hetzner'],
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek/i, 'virtualbox'],
  [/microsoft corporation/i, 'hyper-v'],
  [/xen/i, 'xen'],
  [/qemu|kvm|red hat|ovirt/i, 'kvm'],
];

/** Container first: inside one the machine's own tables show the host. */
export function virtFacts(files: MachineFiles): string {
  const told = /(?:^|\0)container=([^\0]+)/.exec(files.text('proc/1/environ') ?? '')?.[1];
  const container = told ?? files.text('run/systemd/container');
  if (container !== undefined) return tidy(container);
  if (files.has('.dockerenv')) return 'docker';
  if (files.has('run/.containerenv')) return 'podman';
  const table = ['sys_vendor', 'product_name', 'bios_vendor'].map((name) => files.text(`sys/class/dmi/id/${name}`));
  const vendor = table.join(' ');
  const isGuest = /^flags\s*:.*\bhypervisor\b/m.test(files.text('proc/cpuinfo') ?? '');
  const found = vendors.find(([pattern]) => pattern.test(vendor))?.[1];
  // Microsoft also makes laptops: the flag tells which it is.
  if (found !== undefined && (isGuest || found !== 'hyper-v')) return found;
  return isGuest ? 'vm' : 'none';
}

const runtimes: readonly [path: string, name: string][] = [
  ['run/k3s/containerd/containerd.sock', 'k3s'],
  ['run/docker.sock', 'docker'],
  ['run/containerd/containerd.sock', 'containerd'],
  ['run/crio/crio.sock', 'cri-o'],
  ['run/podman/podman.sock', 'podman'],
];

/** Container runtimes that listen here. */
export const runtimeFacts = (files: MachineFiles): string[] =>
  runtimes.filter(([path]) => files.has(path)).map(([, name]) => name);
