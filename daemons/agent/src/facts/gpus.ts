/** Graphics processors: what the bus shows, and what nvidia-smi tells of those of NVIDIA (AG-6). */
import type { MachineFiles } from './machine-files.ts';
import { factsMax, tidy } from './machine-parts.ts';

export type Gpu = { vendor: string; name: string; memoryBytes?: number; uuid?: string; driver?: string; bus?: string };

const vendors: Readonly<Record<string, string>> = { '0x10de': 'nvidia', '0x1002': 'amd', '0x8086': 'intel' };
const fields = ['name', 'uuid', 'memory.total', 'driver_version', 'pci.bus_id'] as const;
const mebibyte = 1024 * 1024;
const answerBytesMax = 64 * 1024;
const timeoutMs = 10_000;

/** Lines of `--format=csv,noheader,nounits`; what is no such line is left out. */
export function parseNvidia(text: string): Gpu[] {
  return text
    .slice(0, answerBytesMax)
    .split('\n')
    .flatMap((line): Gpu[] => {
      const [name = '', uuid, memory, driver, bus] = line.split(',').map(tidy);
      if (name === '' || uuid === undefined || !/^(?:GPU|MIG)-[\w-]+$/.test(uuid)) return [];
      const mebibytes = Number(memory);
      return [
        {
          vendor: 'nvidia',
          name,
          uuid,
          ...(Number.isInteger(mebibytes) && mebibytes > 0 && { memoryBytes: mebibytes * mebibyte }),
          ...(driver !== undefined && driver !== '' && { driver }),
          ...(bus !== undefined && bus !== '' && { bus: bus.toLowerCase() }),
        },
      ];
    })
    .slice(0, factsMax.gpus);
}

/** The bus's own names: nvidia-smi writes eight digits of domain, the kernel four. */
const shortBus = (bus: string) => bus.toLowerCase().replace(/^0000(?=[\da-f]{4}:)/, '');

/** Display controllers on PCI. */
export function busGpus(files: MachineFiles): Gpu[] {
  const isDisplay = (bus: string) => (files.text(`sys/bus/pci/devices/${bus}/class`) ?? '').startsWith('0x03');
  return files
    .names('sys/bus/pci/devices')
    .filter(isDisplay)
    .slice(0, factsMax.gpus)
    .map((bus) => {
      const at = `sys/bus/pci/devices/${bus}`;
      const id = files.text(`${at}/vendor`) ?? '';
      const vendor = vendors[id] ?? tidy(id);
      const name = files.text(`${at}/product_name`) ?? `${vendor} ${files.text(`${at}/device`) ?? ''}`;
      const memory = files.number(`${at}/mem_info_vram_total`);
      return { vendor, name: tidy(name), ...(memory !== undefined && { memoryBytes: memory }), bus };
    });
}

async function askNvidia(command: readonly string[]): Promise<string> {
  try {
    const child = Bun.spawn([...command, `--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
      cwd: '/',
      // A driver that hangs must not hold up the facts.
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    return await child.stdout.text();
  } catch {
    return '';
  }
}

/** `command` is nvidia-smi; asked only where the bus shows something to ask about. */
export async function gpuFacts(files: MachineFiles, command: readonly string[] = ['nvidia-smi']): Promise<Gpu[]> {
  const onBus = busGpus(files);
  // Containers see devices, but not always the bus.
  const mayHave =
    onBus.some(({ vendor }) => vendor === 'nvidia') || files.has('dev/nvidia0') || files.has('dev/nvidiactl');
  const told = mayHave ? parseNvidia(await askNvidia(command)) : [];
  const toldOf = new Set(told.map(({ bus }) => shortBus(bus ?? '')));
  return [...told, ...onBus.filter(({ bus }) => !toldOf.has(shortBus(bus ?? '')))].slice(0, factsMax.gpus);
}
