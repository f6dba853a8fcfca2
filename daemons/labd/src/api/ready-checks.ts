/** What a replica needs to do its work, looked at anew for each probe (AP-10). */
import { schemaFits } from '@labmesh/store/schema/schema-fits';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Authority } from '../ca/authority.ts';
import type { Replicas } from '../hub/replicas.ts';
import type { World } from '../settings/world.ts';

/** `stopped`: the audit chain is another process's, and only an operator can mend that (AU-3). */
type Check = 'ok' | 'down' | 'stopped';
export type ReadyChecks = { database: Check; migrations: Check; ca: Check; audit: Check };

export type ReadyCheckParts = Pick<World, 'store' | 'clock'> & {
  audit: Pick<AuditLog, 'chain' | 'lagMs' | 'stopped'>;
  authority: Pick<Authority, 'serverIssuerKey' | 'status'>;
  replicas: Pick<Replicas, 'list' | 'isLive'>;
};

/** A database that does not answer so long is none. */
const answerMs = 1_000;
/** Rows that wait longer than any caller waits for its own are not written any more. */
const lagMsMax = 5_000;

async function inTime(work: Promise<boolean>): Promise<Check> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), answerMs);
  try {
    return (await Promise.race([work, late.promise])) ? 'ok' : 'down';
  } catch {
    return 'down';
  } finally {
    clearTimeout(timer);
  }
}

/** There is an issuing key at hand, and its certificate is good still. */
function caCheck({ authority, clock }: ReadyCheckParts): Check {
  try {
    const issuer = authority.serverIssuerKey();
    const key = authority.status().keys.find(({ keyHash }) => keyHash === issuer);
    return key !== undefined && key.notAfter > clock.wall() ? 'ok' : 'down';
  } catch {
    return 'down';
  }
}

function auditCheck({ audit }: ReadyCheckParts): Check {
  if (audit.stopped() !== undefined) return 'stopped';
  return audit.lagMs() < lagMsMax ? 'ok' : 'down';
}

/** Reads prove little: on a full disk they go on. Our own row among the replicas is written every 2 s (RP-1). */
const isWritten = ({ replicas, audit }: ReadyCheckParts): boolean =>
  replicas.list().some((one) => one.id === audit.chain && replicas.isLive(one));

/** Never rejects; at most a second. */
export async function readyChecks(parts: ReadyCheckParts): Promise<ReadyChecks> {
  const { store } = parts;
  const [database, migrations] = await Promise.all([
    inTime(store.ping().then(() => isWritten(parts))),
    inTime(schemaFits(store)),
  ]);
  return { database, migrations, ca: caCheck(parts), audit: auditCheck(parts) };
}
