/**
 * A process that writes rows into one or two stores at once and says each row's number once its commit was acknowledged,
 * until it is killed. Run as `bun acknowledged-writer.ts PREFIX URL...`; says `0 17` for row 17 of the first URL.
 */
import { writeSync } from 'node:fs';
import { system } from '@labmesh/wire/fleet/principal';
import { openStore } from '../open-store.ts';

export const acknowledgedWriter = import.meta.path;

async function write(which: number, url: string, prefix: string): Promise<never> {
  const store = await openStore({ url, migrate: false });
  for (let at = 1; ; at++) {
    const row = { key: `${prefix}-${at}`, value: 'x'.repeat(at % 3_000), updated_at: at };
    await store.write(system('writer'), (tx) => tx.insertInto('settings').values(row).execute());
    // At once and unbuffered: what was said before the kill is what the test holds us to.
    writeSync(1, `${which} ${at}\n`);
  }
}

async function main([prefix = '', ...urls]: readonly string[]): Promise<void> {
  await Promise.all(urls.map((url, which) => write(which, url, prefix)));
}

if (import.meta.main) await main(process.argv.slice(2));
