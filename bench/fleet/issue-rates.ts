/** Certificates a second in one process: from the request to the committed row, beside the bare library. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { createCsr, parseCsr } from '@labmesh/pki/csr';
import { clientAuth } from '@labmesh/pki/der/read-certificate';
import { certificates, extension, publicKey, usage } from '@labmesh/pki/testing/library';
import { generateKey, signingAlgorithm } from '@labmesh/pki/keys';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { Authority } from '../../daemons/labd/src/ca/authority.ts';
import type { openSecrets } from '../../daemons/labd/src/secrets/open-secrets.ts';
import { median } from '../percentile.ts';

export type IssueParts = { store: Store; secrets: Awaited<ReturnType<typeof openSecrets>> };

const who = system('bench');
const day = 86_400_000;
const rounds = 5;
/** As machines that join together share one. */
const perCommit = 8;
const issuedCount = 100 * (rounds + 1);

export const perSecond = (count: number, from: number): number => (count / (performance.now() - from)) * 1_000;

/** Certificates with the same contents by the library alone: no request, no rows, not read back. */
async function libraryRate(csrs: readonly string[]): Promise<number> {
  const key = await generateKey();
  const keys = csrs.map((csr) => publicKey(parseCsr(csr).spki));
  const start = performance.now();
  for (const [index, one] of keys.entries()) {
    await certificates.create({
      serialNumber: index.toString(16).padStart(32, '4'),
      subject: [{ CN: [`agent:web-${index}`] }],
      issuer: [{ CN: ['bench'] }],
      notBefore: new Date(),
      notAfter: new Date(Date.now() + day),
      publicKey: one,
      signingKey: key.privateKey,
      signingAlgorithm: signingAlgorithm(key.curve),
      extensions: [
        extension.notCa(),
        extension.keyUsage(usage.digitalSignature),
        extension.extendedUsage([clientAuth]),
        extension.names([{ type: 'url', value: `spiffe://labmesh.internal/agent/${uuidv7()}` }]),
      ],
    });
  }
  return perSecond(csrs.length, start);
}

/** From the request to the committed row, in turns with the library. */
export async function issueRates({ store, secrets }: IssueParts): Promise<{ issued: number; library: number }> {
  await using authority = await Authority.open({ store, secrets, clock: systemClock, log: silentLogger });
  const csrs = await Promise.all(Array.from({ length: issuedCount }, async () => createCsr(await generateKey())));
  const issueRate = async (some: readonly string[]) => {
    const start = performance.now();
    for (let from = 0; from < some.length; from += perCommit) {
      await store.write(who, async (tx) => {
        for (const csrPem of some.slice(from, from + perCommit)) {
          const csr = parseCsr(csrPem);
          const request = { kind: 'agent', id: uuidv7(), name: 'web', csr, ttlMs: day, issuedBy: who } as const;
          await authority.issueLeaf(tx, request);
        }
      });
    }
    return perSecond(some.length, start);
  };
  const share = csrs.length / (rounds + 1);
  const [issued, library]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const some = csrs.slice(round * share, (round + 1) * share);
    issued.push(await issueRate(some));
    library.push(await libraryRate(some));
  }
  // The first round warms up.
  return { issued: median(issued.slice(1)), library: median(library.slice(1)) };
}
