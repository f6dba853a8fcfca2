/** What everything else stands on: the time, sealed secrets, the audit log, access, and the CA with its deny list. */
import type { Metrics } from '@labmesh/kit/metrics';
import { system } from '@labmesh/wire/fleet/principal';
import { seedBuiltinRoles } from '../access/builtin-roles.ts';
import { Policies } from '../access/policies.ts';
import { Authority } from '../ca/authority.ts';
import { DenyList } from '../ca/deny-list.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import { openSecrets, type Secrets } from '../secrets/open-secrets.ts';
import { openSharedClock, type SharedClockParts } from '../settings/shared-clock.ts';
import { type Audit, composeAudit } from './compose-audit.ts';

export type TrustParts = SharedClockParts & {
  options: LabdOptions;
  dataDir: string;
  replicaId: string;
  metrics: Metrics;
};

export type Trust = Audit & {
  /** Of all replicas (RP-1). */
  clock: SharedClockParts['clock'];
  secrets: Secrets;
  policies: Policies;
  denyList: DenyList;
  authority: Authority;
};

const seeding = system('seed-roles');

function caOptions({ options, replicaId, dataDir }: TrustParts) {
  const { publicUrl, agentUrl, peerUrl, conplaneUrl } = options;
  const urls = [publicUrl, agentUrl, peerUrl, conplaneUrl].filter((url) => url !== undefined);
  const hosts = urls.map((url) => new URL(url).hostname);
  const { trustDomain, rootMode, rootTtlMs, intermediateTtlMs, backdateMs, phaseMinMs } = options;
  return {
    owner: replicaId,
    rootFile: options.rootFile ?? `${dataDir}/root-ca.pem`,
    trustDomain,
    rootMode,
    rootTtlMs,
    intermediateTtlMs,
    backdateMs,
    phaseMinMs,
    dnsNames: [...options.dnsSuffixes, ...hosts],
  };
}

/** @throws errors with an exit code when it can never work: a wrong key, another CA. */
export async function composeTrust(parts: TrustParts, stack: AsyncDisposableStack): Promise<Trust> {
  const { store, options, dataDir, replicaId, log } = parts;
  const clock = await openSharedClock(parts, stack);
  const { kekFile: keyFile, kekPassphrase: passphrase } = options;
  const secrets = stack.use(await openSecrets({ store, dataDir, keyFile, passphrase, replicaId, clock, log }));
  const audit = await composeAudit({ ...parts, secrets, clock }, stack);
  await store.write(seeding, (tx) => seedBuiltinRoles(tx, clock.wall()));
  const policies = stack.use(await Policies.open({ store, clock, log }));
  const denyList = stack.use(await DenyList.open({ store, clock, log }));
  const authority = stack.use(await Authority.open({ store, secrets, clock, log, options: caOptions(parts) }));
  return { clock, secrets, ...audit, policies, denyList, authority };
}
