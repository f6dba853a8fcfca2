/** The CA, its certificates, and the keys that seal the store (2.4, 2.13). */
import { page } from '@labmesh/store/page';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { system } from '@labmesh/wire/fleet/principal';
import { revokeCertificate } from '../../ca/revoke-certificate.ts';
import type { Policies, Subject } from '../../access/policies.ts';
import type { Authority } from '../../ca/authority.ts';
import type { DenyList } from '../../ca/deny-list.ts';
import type { EventLog } from '../../events/event-log.ts';
import type { Secrets } from '../../secrets/open-secrets.ts';
import { writeDenials } from '../../login/end-logins.ts';
import type { HandlersOf } from '../handler.ts';
import type { World } from '../../settings/world.ts';

type Names =
  | 'get-ca'
  | 'rotate-ca'
  | 'renew-intermediate'
  | 'list-certificates'
  | 'revoke-certificate'
  | 'list-secret-keys'
  | 'rotate-secrets';

export type CaHandlerParts = {
  authority: Authority;
  policies: Policies;
  store: World['store'];
  denyList: DenyList;
  secrets: Secrets;
  events: EventLog;
  clock: World['clock'];
};

const behindMax = 1_000;
const looking = system('ca-status');

/** Host names of live agents whose bundle is another one (CA-10): all, or those that a subject may list (AP-3). */
async function behind({ store, policies }: CaHandlerParts, digest: string, subject?: Subject): Promise<string[]> {
  const rows = await store.read(looking, (db) => {
    const its = db
      .selectFrom('agents')
      .innerJoin('servers', 'servers.id', 'agents.server_id')
      .select('servers.hostname')
      .where('servers.status', '=', 'active')
      .where((eb) => eb.or([eb('agents.bundle', 'is', null), eb('agents.bundle', '!=', digest)]))
      .orderBy('servers.hostname')
      .limit(behindMax);
    return (subject === undefined ? its : its.where(policies.condition(subject, 'list', 'servers').where())).execute();
  });
  return rows.map((row) => row.hostname);
}

/** The state of the CA, with the names in it that the caller may list. */
async function caStatus(core: CaHandlerParts, subject: Subject) {
  const { phase, phaseSince, trustDomain, rootMode, pins, bundleDigest, keys } = core.authority.status();
  const mayKnow = (name: string) => core.policies.decide(subject, 'list', { kind: 'certificates', name }).allowed;
  // Whoever may see the CA may see its own keys.
  const findings = (await core.authority.findings()).filter((one) => one.subject === 'ca' || mayKnow(one.name));
  return {
    phase,
    phaseSince: timeTextOrNull(phaseSince),
    trustDomain,
    rootMode,
    pins,
    keys: keys.map((key) => ({ ...key, notAfter: timeText(key.notAfter) })),
    bundleDigest,
    behind: await behind(core, bundleDigest, subject),
    warnings: findings.map(({ name, kind, notAfter }) => `${kind} ${name} ends ${timeText(notAfter)}`),
  };
}

async function listCertificates(
  call: Parameters<HandlersOf<'list-certificates'>['list-certificates']>[0],
  { store, clock, policies }: CaHandlerParts,
) {
  const { limit, cursor, identity, live } = call.query;
  const may = policies.condition(call.subject, 'list', 'certificates').where({ name: 'certificates.name' });
  const found = await store.read(call.caller.principal, (db) => {
    let rows = db.selectFrom('certificates').selectAll().where(may);
    if (identity !== undefined)
      rows = rows.where((eb) => eb.or([eb('identity', '=', identity), eb('name', '=', identity)]));
    if (live === true) rows = rows.where('not_after', '>', clock.wall()).where('revoked_at', 'is', null);
    const by = [
      { column: 'created_at', type: 'integer' },
      { column: 'id', type: 'text' },
    ] as const;
    return page(rows, { list: 'certificates', by, descending: true, limit, cursor });
  });
  const items = found.items.map((row) => ({
    serial: row.id,
    identity: row.identity,
    kind: row.kind,
    name: row.name,
    keyHash: row.key_hash,
    issuerKey: row.issuer_key,
    notBefore: timeText(row.not_before),
    notAfter: timeText(row.not_after),
    issuedBy: row.issued_by,
    revokedAt: timeTextOrNull(row.revoked_at),
  }));
  return { items, nextCursor: found.nextCursor };
}

export function caHandlers(core: CaHandlerParts): HandlersOf<Names> {
  const { authority, store, denyList, clock, secrets, events } = core;
  return {
    'get-ca': (call) => caStatus(core, call.subject),
    'rotate-ca': async (call) => {
      const { to, force } = call.body;
      const { behind: left } = await authority.rotate(call.caller.principal, {
        to,
        force,
        behind: (digest) => behind(core, digest),
      });
      call.note({ details: { to, force, behind: left.slice(0, 50) } });
      events.emit('rotation-step', 'ca', to, { force });
      return caStatus(core, call.subject);
    },
    'renew-intermediate': async (call) => {
      const { certificatePem } = call.body;
      if (certificatePem === undefined) await authority.renewIntermediate(call.caller.principal);
      else await authority.installSigned(call.caller.principal, certificatePem);
      return { csrPem: authority.status().signingRequest ?? null, status: await caStatus(core, call.subject) };
    },
    'list-certificates': (call) => listCertificates(call, core),
    'revoke-certificate': async (call) => {
      const { principal } = call.caller;
      const serial = (call.params['serial'] ?? '').toLowerCase();
      const known = await store.read(principal, (db) =>
        db.selectFrom('certificates').select('name').where('id', '=', serial).executeTakeFirst(),
      );
      call.may('revoke', { kind: 'certificates', name: known?.name ?? serial });
      const revocation = { serial, reason: call.body.reason, now: clock.wall() };
      const { identity } = await writeDenials({ store, denials: denyList }, principal, (tx) =>
        revokeCertificate(tx, denyList, revocation),
      );
      call.note({ resource: `certificate/${revocation.serial}`, details: { identity, reason: call.body.reason } });
      return { ok: true };
    },
    'list-secret-keys': async () => {
      const keys = await secrets.list();
      const items = keys.map(({ id, state, createdAt, updatedAt }) => ({
        id,
        state,
        createdAt: timeText(createdAt),
        updatedAt: timeText(updatedAt),
      }));
      return { items, nextCursor: null };
    },
    'rotate-secrets': async (call) => {
      const staged = await secrets.rotate(call.caller.principal);
      // Alone, all steps may follow at once; with other replicas each has to load the key first (SE-3).
      for (let steps = 0; steps < 10_000 && (await secrets.advance()); steps++);
      const now = (await secrets.list()).find(({ id }) => id === staged.id);
      if (now === undefined) throw new FleetError('INTERNAL', { log: 'the staged key is gone' });
      call.note({ resource: `secret-key/${staged.id}` });
      return { keyId: staged.id, state: now.state };
    },
  };
}
