/** A CA over an SQLite store with a clock that stands still; authorities can be opened as often as a test likes. */
import { silentLogger } from '@labmesh/kit/log';
import { createCsr, parseCsr } from '@labmesh/pki/csr';
import { type EcKey, generateKey } from '@labmesh/pki/keys';
import { certificatesIn } from '@labmesh/pki/der/pem';
import type { StoreOptions } from '@labmesh/store/open-store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import type { Secrets } from '../../secrets/open-secrets.ts';
import { secretsBench, type SecretsBench } from '../../secrets/testing/secrets-bench.ts';
import { Authority, type Issued, type LeafRequest } from '../authority.ts';
import type { CaOptions } from '../ca-options.ts';
import { DenyList } from '../deny-list.ts';

export const day = 86_400_000;
export const minute = 60_000;
export const me: Principal = system('test');

export type CaBench = AsyncDisposable &
  Pick<SecretsBench, 'folder' | 'file' | 'store' | 'clock'> & {
    secrets: Secrets;
    /** Opened with looks at the store only when a test asks. */
    open(options?: Partial<CaOptions>): Promise<Authority>;
    denyList(): Promise<DenyList>;
    /** A leaf for a new key, or the one given. */
    leaf(
      authority: Authority,
      more?: Partial<Omit<LeafRequest, 'csr'>> & { key?: EcKey; csrPem?: string },
    ): Promise<Issued & { key: EcKey; der: Uint8Array }>;
  };

const never = 1e12;

export async function caBench(options: Pick<StoreOptions, 'injectFaults'> = {}): Promise<CaBench> {
  await using opening = new AsyncDisposableStack();
  const bench = opening.use(await secretsBench(options));
  const { folder, file, store, clock } = bench;
  const secrets = opening.use(await bench.secrets());
  const opened = opening.move();
  return {
    folder,
    file,
    store,
    clock,
    secrets,
    open: async (more = {}) =>
      opened.use(
        await Authority.open({ store, secrets, clock, log: silentLogger, options: { pollMs: never, ...more } }),
      ),
    denyList: async () => opened.use(await DenyList.open({ store, clock, log: silentLogger, pollMs: never })),
    async leaf(authority, more = {}) {
      const { key = await generateKey(), csrPem = await createCsr(key), ...request } = more;
      const csr = parseCsr(csrPem);
      const whole = { kind: 'agent', id: 'a1', name: 'web-1', csr, ttlMs: day, issuedBy: me, ...request } as const;
      const issued = await store.write(me, (tx) => authority.issueLeaf(tx, whole));
      return { ...issued, key, der: certificatesIn(issued.certificatePem)[0] ?? new Uint8Array() };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
