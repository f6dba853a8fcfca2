/** What this machine is (AG-6): at most 64 KiB of JSON, and a digest that stays while nothing of weight changes. */
import { arch, hostname, networkInterfaces, release } from 'node:os';
import { gpuFacts } from './gpus.ts';
import { MachineFiles } from './machine-files.ts';
import { bootId, machineId } from './machine-id.ts';
import { cpuFacts, diskFacts, memoryFacts, nicFacts, osFacts, runtimeFacts, tidy, virtFacts } from './machine-parts.ts';

export const factsBytesMax = 64 * 1024;
/** Lists that may go when a machine has more of them than fits, in this order. */
const mayGo = ['nics', 'disks', 'gpus'] as const;

export type Facts = Record<string, unknown>;
export type ReadFactsOptions = { root?: string; nvidiaSmi?: readonly string[] };

/** IPv6 link-local addresses follow from the MAC and say nothing more. */
function addressesByNic(): Record<string, string[]> {
  const all = Object.entries(networkInterfaces());
  return Object.fromEntries(
    all.map(([name, list]) => [
      name,
      (list ?? []).map(({ address }) => address).filter((address) => !address.startsWith('fe80:')),
    ]),
  );
}

/** Keys sorted at every depth, so that equal facts are equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  );
}

/** Without what changes by itself. */
export function factsDigest(facts: Facts): string {
  const { uptime: _, ...steady } = facts;
  return new Bun.CryptoHasher('sha256').update(JSON.stringify(sorted(steady))).digest('hex');
}

/** Cuts lists until the whole fits. */
export function boundFacts(facts: Facts): Facts {
  const bounded = { ...facts };
  for (const name of mayGo) {
    if (Buffer.byteLength(JSON.stringify(bounded)) <= factsBytesMax) break;
    bounded[name] = [];
  }
  return bounded;
}

export async function readFacts(options: ReadFactsOptions = {}): Promise<{ facts: Facts; digest: string }> {
  const files = new MachineFiles(options.root);
  const facts = boundFacts({
    hostname: tidy(hostname()),
    machineId: machineId(files),
    bootId: bootId(files),
    os: osFacts(files),
    kernel: tidy(release()),
    arch: arch(),
    cpu: cpuFacts(files),
    memory: memoryFacts(files),
    disks: diskFacts(files),
    nics: nicFacts(files, addressesByNic()),
    gpus: await gpuFacts(files, options.nvidiaSmi),
    virt: virtFacts(files),
    containerRuntime: runtimeFacts(files),
    uptime: Math.floor(Number(files.text('proc/uptime')?.split(' ')[0] ?? 0)),
  });
  return { facts, digest: factsDigest(facts) };
}
