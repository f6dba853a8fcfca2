/** Run as a process: appends rows to a chain of a database file and tells each seq that was acknowledged, until killed. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { openAuditLog } from '../audit-log.ts';
import { chain, entry, plainSealer } from './audit-bench.ts';

const [, , url = ''] = process.argv;
const store = await openStore({ url });
const log = await openAuditLog({ store, secrets: plainSealer, chain, clock: systemClock, log: silentLogger });
const forever = async () => {
  for (;;) {
    const { seq } = await log.append(entry('crash'));
    process.stdout.write(`${seq}\n`);
  }
};
await Promise.all(Array.from({ length: 20 }, forever));
