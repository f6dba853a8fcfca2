/**
 * A process that migrates. Run as `bun migrator.ts URL LEASE_MS [STEPS]`: with STEPS it makes that many and then hangs
 * in the next one, with the lock in its hand, until it is killed.
 */
import { openStore } from '../open-store.ts';
import { migrate, releases } from '../schema/migrate.ts';

export const migrator = import.meta.path;

async function main([url = '', leaseMs = '', steps]: readonly string[]): Promise<void> {
  await using store = await openStore({ url, migrate: false });
  const all = releases.flat();
  const hanging = [...all.slice(0, Number(steps)), 'select pg_sleep(60)', ...all.slice(Number(steps) + 1)];
  await migrate(store, { leaseMs: Number(leaseMs), ...(steps !== undefined && { releases: [hanging] }) });
}

if (import.meta.main) await main(process.argv.slice(2));
