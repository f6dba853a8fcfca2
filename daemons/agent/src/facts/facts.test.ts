import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { connect } from '../testing/client.ts';
import { busGpus, gpuFacts, parseNvidia } from './gpus.ts';
import { MachineFiles } from './machine-files.ts';
import { machineId } from './machine-id.ts';
import {
  cpuFacts,
  diskFacts,
  memoryFacts,
  nicFacts,
  osFacts,
  parseKeyValues,
  runtimeFacts,
  virtFacts,
} from './machine-parts.ts';
import { openFacts } from './open-facts.ts';
import { boundFacts, factsBytesMax, factsDigest, readFacts } from './read-facts.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-facts-'));
afterAll(() => rmSync(top, { recursive: true }));
let count = 0;

/** A machine made of files. */
function machine(files: Record<string, string>): { root: string; files: MachineFiles } {
  const root = join(top, String(count++));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, files: new MachineFiles(root) };
}

const thread = (n: number, core: number, more = '') =>
  `processor\t: ${n}\nmodel name\t: AMD EPYC  9354\nphysical id\t: 0\ncore id\t\t: ${core}\nflags\t\t: fpu${more}\n`;

describe('AG-6 parts of a machine', () => {
  test('operating system, by os-release', () => {
    const { files } = machine({
      'etc/os-release': 'NAME="Debian GNU/Linux"\nVERSION_ID=\'12\'\nID=debian\nPRETTY_NAME="Debian\u001b 12"\n',
    });
    expect(osFacts(files)).toEqual({ id: 'debian', version: '12', name: 'Debian GNU/Linux', prettyName: 'Debian  12' });
    expect(osFacts(machine({}).files)).toEqual({
      id: undefined,
      version: undefined,
      name: undefined,
      prettyName: undefined,
    });
  });

  test('processor: cores by topology, threads as they are listed', () => {
    const { files } = machine({ 'proc/cpuinfo': [thread(0, 0), thread(1, 1), thread(2, 0), thread(3, 1)].join('\n') });
    expect(cpuFacts(files)).toEqual({ model: 'AMD EPYC  9354', cores: 2, threads: 4 });
    const arm = machine({ 'proc/cpuinfo': 'processor\t: 0\nCPU part\t: 0xd0c\n\nprocessor\t: 1\nCPU part\t: 0xd0c\n' });
    expect(cpuFacts(arm.files)).toEqual({ model: '0xd0c', cores: 2, threads: 2 });
  });

  test('memory, disks, interfaces', () => {
    const { files } = machine({
      'proc/meminfo': 'MemTotal:       1024 kB\nMemFree: 1 kB\nSwapTotal:     0 kB\n',
      'sys/block/sda/size': '2000\n',
      'sys/block/sda/device/model': 'DISK 1  \n',
      'sys/block/sda/queue/rotational': '1\n',
      'sys/block/loop0/size': '1\n',
      'sys/block/zram0/size': '1\n',
      'sys/block/dm-0/size': '1\n',
      'sys/block/nvme0n1/size': '4000\n',
      'sys/block/nvme0n1/removable': '0\n',
      'sys/class/net/lo/address': '00:00:00:00:00:00\n',
      'sys/class/net/eth0/address': '02:00:00:00:00:01\n',
      'sys/class/net/eth0/speed': '10000\n',
      'sys/class/net/eth0/device/x': '',
      'sys/class/net/wg0/speed': '-1\n',
    });
    expect(memoryFacts(files)).toEqual({ totalBytes: 1_048_576, swapBytes: 0 });
    expect(diskFacts(files)).toEqual([
      { name: 'nvme0n1', bytes: 2_048_000, model: undefined, rotational: false, removable: false },
      { name: 'sda', bytes: 1_024_000, model: 'DISK 1', rotational: true, removable: false },
    ]);
    expect(nicFacts(files, { eth0: ['10.0.0.2', '10.0.0.1'] })).toEqual([
      {
        name: 'eth0',
        mac: '02:00:00:00:00:01',
        megabitsPerS: 10_000,
        physical: true,
        addresses: ['10.0.0.1', '10.0.0.2'],
      },
      { name: 'wg0', mac: undefined, physical: false, addresses: [] },
    ]);
  });

  test.each([
    ['none', {}],
    ['kvm', { 'sys/class/dmi/id/sys_vendor': 'QEMU' }],
    ['amazon', { 'sys/class/dmi/id/sys_vendor': 'Amazon EC2' }],
    [
      'hyper-v',
      { 'sys/class/dmi/id/sys_vendor': 'Microsoft Corporation', 'proc/cpuinfo': thread(0, 0, ' hypervisor') },
    ],
    ['none', { 'sys/class/dmi/id/sys_vendor': 'Microsoft Corporation', 'proc/cpuinfo': thread(0, 0) }],
    ['vm', { 'proc/cpuinfo': thread(0, 0, ' hypervisor sse') }],
    ['docker', { '.dockerenv': '', 'sys/class/dmi/id/sys_vendor': 'QEMU' }],
    ['podman', { 'run/.containerenv': '' }],
    ['lxc', { 'proc/1/environ': 'PATH=/bin\0container=lxc\0' }],
  ] as [string, Record<string, string>][])('virt %s', (wanted, files) =>
    expect(virtFacts(machine(files).files)).toBe(wanted),
  );

  test('container runtimes by their sockets', () => {
    const { files } = machine({ 'run/docker.sock': '', 'run/containerd/containerd.sock': '' });
    expect(runtimeFacts(files)).toEqual(['docker', 'containerd']);
  });

  test('the machine id is told only hashed', () => {
    const raw = '0123456789abcdef0123456789abcdef';
    const id = machineId(machine({ 'etc/machine-id': `${raw}\n` }).files);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(id).not.toBe(raw);
    expect(machineId(machine({ 'etc/machine-id': 'uninitialized\n' }).files)).toBe('');
  });

  test('any text is read without error', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        const files = {
          text: () => text,
          number: () => Number.NaN,
          names: () => [text],
          has: () => true,
        } as unknown as MachineFiles;
        for (const read of [osFacts, cpuFacts, memoryFacts, diskFacts, virtFacts, busGpus]) {
          expect(() => read(files)).not.toThrow();
        }
        expect(() => parseKeyValues(text)).not.toThrow();
      }),
    );
  });
});

describe('AG-6 graphics processors', () => {
  const line = 'NVIDIA H200, GPU-1f2e-33, 143771, 570.86, 00000000:1B:00.0\n';
  const bus = {
    'sys/bus/pci/devices/0000:1b:00.0/class': '0x030200\n',
    'sys/bus/pci/devices/0000:1b:00.0/vendor': '0x10de\n',
    'sys/bus/pci/devices/0000:1b:00.0/device': '0x2335\n',
    'sys/bus/pci/devices/0000:05:00.0/class': '0x030000\n',
    'sys/bus/pci/devices/0000:05:00.0/vendor': '0x1002\n',
    'sys/bus/pci/devices/0000:05:00.0/device': '0x744c\n',
    'sys/bus/pci/devices/0000:05:00.0/mem_info_vram_total': '1024\n',
    'sys/bus/pci/devices/0000:00:1f.0/class': '0x060100\n',
  };

  test('lines of nvidia-smi', () => {
    expect(parseNvidia(line)).toEqual([
      {
        vendor: 'nvidia',
        name: 'NVIDIA H200',
        uuid: 'GPU-1f2e-33',
        memoryBytes: 143_771 * 1_048_576,
        driver: '570.86',
        bus: '00000000:1b:00.0',
      },
    ]);
    expect(parseNvidia('NVIDIA-SMI has failed because it could not communicate with the driver.\n')).toEqual([]);
    expect(parseNvidia('Grace, GPU-a, [N/A], 570, x\n')[0]).not.toHaveProperty('memoryBytes');
  });

  test('any text gives a list of what was told', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (text, cells) => {
        for (const gpu of [...parseNvidia(text), ...parseNvidia(cells.join(', '))]) {
          expect(gpu.name.length).toBeLessThanOrEqual(128);
          expect(gpu.memoryBytes ?? 1).toBeGreaterThan(0);
        }
      }),
    );
  });

  test('bus and driver are one list; a missing or hanging nvidia-smi costs only its details', async () => {
    const { root, files } = machine({ ...bus, 'bin/smi': `#!/bin/sh\nprintf '${line.trim()}\\n'\n` });
    chmodSync(join(root, 'bin/smi'), 0o755);
    const gpus = await gpuFacts(files, [join(root, 'bin/smi')]);
    expect(gpus.map(({ name }) => name)).toEqual(['NVIDIA H200', 'amd 0x744c']);
    expect((await gpuFacts(files, ['/none/smi'])).map(({ name }) => name)).toEqual(['amd 0x744c', 'nvidia 0x2335']);
    expect(await gpuFacts(machine({}).files, ['/none/smi'])).toEqual([]);
  });
});

describe('AG-6 facts', () => {
  test('of this machine: all of them, below 64 KiB, the digest stays', async () => {
    const { facts, digest } = await readFacts();
    const wanted = 'hostname machineId bootId os kernel arch cpu memory disks nics gpus virt containerRuntime uptime';
    expect(Object.keys(facts)).toEqual(wanted.split(' '));
    expect(JSON.stringify(facts).length).toBeLessThan(factsBytesMax);
    expect((await readFacts()).digest).toBe(digest);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  test('the digest: uptime and order of keys change nothing, all else does', () => {
    const facts = { a: 1, nics: [{ x: 1, y: 2 }], uptime: 60 };
    expect(factsDigest({ uptime: 120, nics: [{ y: 2, x: 1 }], a: 1 })).toBe(factsDigest(facts));
    expect(factsDigest({ ...facts, a: 2 })).not.toBe(factsDigest(facts));
  });

  test('a machine with more than fits keeps the rest', () => {
    const nics = Array.from({ length: 5000 }, (_, i) => ({ name: `eth${i}`, addresses: ['10.0.0.1'] }));
    const bounded = boundFacts({ hostname: 'a', nics, disks: [1], gpus: [2] });
    expect(bounded).toEqual({ hostname: 'a', nics: [], disks: [1], gpus: [2] });
  });

  test('OPEN facts answers with one document', async () => {
    const open = { kind: 'facts', server: 'x' } as const;
    const { client } = connect(await openFacts({ root: machine({}).root }), open);
    expect((await client.closed).reason).toBe('ok');
    expect(JSON.parse(client.out.toString())).toMatchObject({ virt: 'none', disks: [] });
  });
});
