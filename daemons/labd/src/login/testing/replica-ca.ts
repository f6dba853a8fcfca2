/** The real CA, deny list and sealing of one replica, for tests. */
import type { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { Authority } from '../../ca/authority.ts';
import { DenyList } from '../../ca/deny-list.ts';
import { newKek } from '@labmesh/pki/seal/kek';
import { openWith, sealWith } from '@labmesh/pki/seal/seal-value';
import type { Sealer } from '../../secrets/sealer.ts';

/** The real sealing, with a key of this test. */
export function testSealer(): Sealer {
  const kek = newKek();
  const find = (id: string) => (id === kek.id ? kek.key : undefined);
  return {
    seal: (table, rowId, field, plain) => sealWith(kek, { table, rowId, field }, plain),
    open: (table, rowId, field, text) => openWith(find, { table, rowId, field }, text),
  };
}

export const testDomain = 'lab.test';
/** Loops of the clock are called by hand: a clock that is turned by days would call them a million times. */
const never = 1e13;

export async function openCa(store: Store, clock: FakeClock, sealer: Sealer) {
  const parts = { store, clock, log: silentLogger };
  const options = { trustDomain: testDomain, pollMs: never, tickMs: never };
  const authority = await Authority.open({ ...parts, secrets: sealer, options });
  const denials = await DenyList.open({ ...parts, pollMs: never });
  return { authority, denials };
}
