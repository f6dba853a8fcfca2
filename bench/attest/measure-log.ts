import { generateSigner } from '@labmesh/attest/keys/signing-key';
import { openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { entryBytes } from '@labmesh/attest/merkle/log-entry';
import { type Rate, rate } from './rate.ts';

export const groupEntries = 8192;
const groups = 24;

const entries = (from: number) =>
  Array.from({ length: groupEntries }, (_, offset) =>
    entryBytes({
      v: 1,
      kind: 'certificate',
      id: `cert-${from + offset}`,
      sha256: (from + offset).toString(16).padStart(64, '0'),
      time: '2026-03-01T12:00:00.000Z',
    }),
  );

/** Entries that are made beforehand, groups of them appended to a log on disk: each synced with its tiles. */
export async function measureLog(folder: string): Promise<Record<string, Rate>> {
  const signer = generateSigner();
  using open = await openLogFolder(folder, 'bench.example/log', signer);
  const { log } = open;
  await log.append(entries(0));
  const made = Array.from({ length: groups }, (_, group) => entries((group + 1) * groupEntries));
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  for (const group of made) await log.append(group);
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const units = groups * groupEntries;
  const { size } = log.head;
  let next = 0;
  // Neighbours, as a second's certificates are; then all over the log.
  const newest = await rate(() => proveSome(log, () => size - 1 - (next++ % 4096)));
  const anywhere = await rate(() => proveSome(log, () => (next = (next + 7919 * 31) % size)));
  return {
    appends: { perS: units / seconds, perCpuS: (units / (user + system)) * 1e6 },
    log_proofs: newest,
    log_proofs_anywhere: anywhere,
  };
}

async function proveSome(log: { prove: (index: number) => Promise<string> }, index: () => number): Promise<number> {
  for (let count = 0; count < 100; count++) await log.prove(index());
  return 100;
}
