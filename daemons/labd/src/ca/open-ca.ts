/** The first start: one root and intermediate, whoever else starts at the same moment (CA-1, CA-2). */
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { AuthorityRefused } from './ca-options.ts';
import { type CaMeta, type CaRows, insertKeys, readCa, writeMeta } from './keys/ca-rows.ts';
import { type Maker, makeGeneration } from './keys/make-keys.ts';

const who = system('open-ca');

async function create(store: Store, maker: Maker, log: Logger): Promise<void> {
  const { trustDomain, rootMode, rootFile, dnsNames } = maker.options;
  const { rows, undo } = await makeGeneration(maker, { phase: 'active', dnsNames });
  const meta: CaMeta = { version: 0, phase: 'standby', since: maker.now, trustDomain, rootMode, previousSince: {} };
  const winner = await store.write(who, async (tx) => {
    const found = await readCa(tx);
    if (found !== undefined) return found;
    await insertKeys(tx, rows);
    await writeMeta(tx, meta, maker.now);
    return undefined;
  });
  if (winner !== undefined) {
    // The root key of a CA that did not come to be is of no use to anybody; one that another adopted is.
    const isShared = winner.keys.some(({ role, keyHash }) => role === 'root' && keyHash === rows[0]?.keyHash);
    if (!isShared) await undo();
    return;
  }
  log.info('made a new CA', { trustDomain, rootMode });
  if (rootMode === 'offline') log.warn('move the root key to a safe place, off this machine', { rootFile });
}

/**
 * The CA of the store, made when there is none.
 * @throws AuthorityRefused when it is of another trust domain or the offline root's file cannot be used.
 */
export async function openCa(store: Store, maker: Maker, log: Logger): Promise<CaRows> {
  const found = await store.read(who, readCa);
  if (found === undefined) await create(store, maker, log);
  const rows = found ?? (await store.read(who, readCa));
  if (rows === undefined) throw new AuthorityRefused(78, 'the CA was not created');
  const { trustDomain, rootMode } = rows.meta;
  if (trustDomain !== maker.options.trustDomain) {
    const asked = maker.options.trustDomain;
    throw new AuthorityRefused(78, `ca.trust_domain is ${asked}, the store's CA is for ${trustDomain}`);
  }
  if (rootMode !== maker.options.rootMode) log.warn('ca.root_mode holds for a new CA only', { rootMode });
  return rows;
}
