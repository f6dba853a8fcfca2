/**
 * Audit rows and certificates a second, each over the store they go to, beside what they are made of. A process of its
 * own, pinned nowhere: PostgreSQL works beside it.
 *
 *     bun bench/fleet/ledger.ts     prints one line of JSON
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { createCsr, parseCsr } from '@labmesh/pki/csr';
import { clientAuth } from '@labmesh/pki/der/read-certificate';
import { certificates, extension, publicKey, usage } from '@labmesh/pki/testing/library';
import { generateKey, signingAlgorithm } from '@labmesh/pki/keys';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { openAuditLog } from '../../daemons/labd/src/audit/audit-log.ts';
import { Authority } from '../../daemons/labd/src/ca/authority.ts';
import { openSecrets } from '../../daemons/labd/src/secrets/open-secrets.ts';
import { postgresAvailable, startPostgres } from '../../tests/harness/start-postgres.ts';

const who = system('bench');
const day = 86_400_000;
const auditRows = 40_000;
const singleRows = 500;
const issuedCount = 400;
/** Rows under way at a time. */
const wave = 2_000;

const perSecond = (count: number, from: number) => (count / (performance.now() - from)) * 1_000;

/** A row like that of an exec. */
const entryOf = (index: number) => ({
  principal: { kind: 'user', id: uuidv7(), name: 'bench' } as const,
  phase: 'start' as const,
  action: 'exec.open',
  resource: `server/web-${index % 500}`,
  resourceId: uuidv7(),
  session: uuidv7(),
  sourceIp: '10.0.0.1',
  requestId: `req_${index}`,
  result: 'ok' as const,
  details: { argv: ['systemctl', 'status', 'nginx'], login: 'root', tty: false, detach: false, env: [] },
});

type Parts = { store: Store; secrets: Awaited<ReturnType<typeof openSecrets>> };

async function withStore<T>(url: string, folder: string, work: (parts: Parts) => Promise<T>): Promise<T> {
  await using store = await openStore({ url });
  await using secrets = await openSecrets({ store, dataDir: folder, clock: systemClock, log: silentLogger });
  return await work({ store, secrets });
}

/** Rows a second by groups as they form under load, and one by one, each waited for. */
async function auditRates({ store, secrets }: Parts): Promise<{ grouped: number; single: number }> {
  await using log = await openAuditLog({ store, secrets, chain: uuidv7(), clock: systemClock, log: silentLogger });
  const append = async (count: number) => {
    for (let from = 0; from < count; from += wave)
      await Promise.all(Array.from({ length: Math.min(wave, count - from) }, (_, at) => log.append(entryOf(at))));
  };
  await append(2 * wave);
  const start = performance.now();
  await append(auditRows);
  const grouped = perSecond(auditRows, start);
  const from = performance.now();
  for (let index = 0; index < singleRows; index++) await log.append(entryOf(index));
  return { grouped, single: perSecond(singleRows, from) };
}

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

/** From the request to the committed row, one transaction each. */
async function issueRates({ store, secrets }: Parts): Promise<{ issued: number; library: number }> {
  await using authority = await Authority.open({ store, secrets, clock: systemClock, log: silentLogger });
  const csrs = await Promise.all(Array.from({ length: issuedCount }, async () => createCsr(await generateKey())));
  const issueRate = async (some: readonly string[]) => {
    const start = performance.now();
    for (const csrPem of some) {
      const csr = parseCsr(csrPem);
      const request = { kind: 'agent', id: uuidv7(), name: 'web', csr, ttlMs: day, issuedBy: who } as const;
      await store.write(who, (tx) => authority.issueLeaf(tx, request));
    }
    return perSecond(some.length, start);
  };
  const warm = csrs.slice(0, 100);
  await issueRate(warm);
  await libraryRate(warm);
  const rest = csrs.slice(warm.length);
  return { issued: await issueRate(rest), library: await libraryRate(rest) };
}

const folder = mkdtempSync(join(tmpdir(), 'labmesh-bench-'));
try {
  const url = `sqlite://${join(folder, 'labd.db')}`;
  const [audit, issue] = await withStore(url, folder, async (parts) => [
    await auditRates(parts),
    await issueRates(parts),
  ]);
  const metrics: Record<string, number> = {
    audit_rows_s: audit.grouped,
    audit_single_rows_s: audit.single,
    audit_batch_ratio: audit.grouped / audit.single,
    issue_per_s: issue.issued,
    issue_ratio_library: issue.issued / issue.library,
  };
  if (postgresAvailable() === undefined) {
    await using postgres = await startPostgres();
    const there = await withStore(await postgres.createDatabase(), folder, auditRates);
    metrics['audit_rows_s_postgres'] = there.grouped;
  }
  console.log(JSON.stringify(metrics));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
