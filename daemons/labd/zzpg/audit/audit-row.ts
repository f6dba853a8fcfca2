/**
 * Audit rows: what is hashed, and how a row stands in the table (AU-1, AU-2).
 *
 *     hash = HMAC-SHA-256(key, "labmesh-audit-v1\n" + prevHash + "\n" + JCS(row without prevHash, hash))
 *     first prevHash = SHA-256("labmesh-audit-v1\n" + chain)
 *
 * Absent fields are left out of the hashed text. `details` is kept as its canonical text and hashed as it stands, so a
 * change of a single blank in the table shows.
 */
import { createHash, createHmac } from 'node:crypto';
import type { AuditLogTable } from '@labmesh/store/tables';
import { parseJson } from '@labmesh/kit/parse-json';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import type { Selectable } from 'kysely';
import { canonicalJson } from './canonical-json.ts';

const label = 'labmesh-audit-v1\n';

/** A row without its hashes. Times are Unix ms, durations whole ms; `details` is canonical JSON text. */
export type AuditFields = {
  seq: number;
  chain: string;
  keyId: string;
  at: number;
  phase: string;
  principal: { kind: string; id: string; name: string };
  session?: string | undefined;
  sourceIp?: string | undefined;
  requestId?: string | undefined;
  action: string;
  resource?: string | undefined;
  resourceId?: string | undefined;
  result: string;
  code?: string | undefined;
  durationMs?: number | undefined;
  details?: string | undefined;
};
/** A row as it is stored and shown. Hashes are 64 hex digits. */
export type AuditRecord = AuditFields & { prevHash: string; hash: string };

export const firstPrevHash = (chain: string): string =>
  createHash('sha256')
    .update(label + chain)
    .digest('hex');

/** The hash of a row's canonical text. */
export const auditHash = (key: Uint8Array, prevHash: string, text: string): string =>
  createHmac('sha256', key).update(`${label}${prevHash}\n${text}`).digest('hex');

const text = (value: string) => JSON.stringify(value);
const optional = (name: string, value: string | undefined) => (value === undefined ? '' : `,"${name}":${text(value)}`);

/** JCS of a row without its hashes. Written out in the order of the keys: this runs ten thousand times a second. */
export function rowText(row: AuditFields): string {
  const { principal } = row;
  const code = optional('code', row.code);
  const details = row.details === undefined ? '' : `,"details":${row.details}`;
  const duration = row.durationMs === undefined ? '' : `,"durationMs":${row.durationMs}`;
  const who = `{"id":${text(principal.id)},"kind":${text(principal.kind)},"name":${text(principal.name)}}`;
  const what = `${optional('requestId', row.requestId)}${optional('resource', row.resource)}${optional('resourceId', row.resourceId)}`;
  return (
    `{"action":${text(row.action)},"at":${row.at},"chain":${text(row.chain)}${code}${details}${duration}` +
    `,"keyId":${text(row.keyId)},"phase":${text(row.phase)},"principal":${who}${what}` +
    `,"result":${text(row.result)},"seq":${row.seq}${optional('session', row.session)}${optional('sourceIp', row.sourceIp)}}`
  );
}

export const hashRow = (key: Uint8Array, prevHash: string, row: AuditFields): string =>
  auditHash(key, prevHash, rowText(row));

type TableRow = Selectable<AuditLogTable>;

/** The row of the table. `id` is no part of the hash: it only orders rows of several chains. */
export function toTableRow(id: string, row: AuditRecord): TableRow {
  return {
    id,
    chain: row.chain,
    seq: row.seq,
    key_id: row.keyId,
    at: row.at,
    phase: row.phase,
    principal_kind: row.principal.kind,
    principal_id: row.principal.id,
    principal: row.principal.name,
    session: row.session ?? null,
    source_ip: row.sourceIp ?? null,
    request_id: row.requestId ?? null,
    action: row.action,
    resource: row.resource ?? null,
    resource_id: row.resourceId ?? null,
    result: row.result,
    code: row.code ?? null,
    duration_ms: row.durationMs ?? null,
    details: row.details ?? null,
    prev_hash: row.prevHash,
    hash: row.hash,
  };
}

/** The record of a table row, as it stands there: nothing is checked. */
export function fromTableRow(row: TableRow): AuditRecord {
  return {
    seq: row.seq,
    chain: row.chain,
    keyId: row.key_id,
    at: row.at,
    phase: row.phase,
    principal: { kind: row.principal_kind, id: row.principal_id, name: row.principal },
    session: row.session ?? undefined,
    sourceIp: row.source_ip ?? undefined,
    requestId: row.request_id ?? undefined,
    action: row.action,
    resource: row.resource ?? undefined,
    resourceId: row.resource_id ?? undefined,
    result: row.result,
    code: row.code ?? undefined,
    durationMs: row.duration_ms ?? undefined,
    details: row.details ?? undefined,
    prevHash: row.prev_hash,
    hash: row.hash,
  };
}

/** One line of an export: the hashed text with the hashes put in, so that whoever has the key can check it alone. */
export function recordLine(row: AuditRecord): string {
  const { prevHash, hash, ...fields } = row;
  return `${rowText(fields).slice(0, -1)},${canonicalJson({ hash, prevHash }).slice(1)}`;
}

/** The row as the API shows it. Values that an editor of the table put in stay visible: verification judges, not this. */
export function shownRow(row: AuditRecord): AuditRow {
  const { details, ...fields } = row;
  const parsed = details === undefined ? undefined : parseJson(details);
  const shown = details === undefined ? {} : { details: (parsed ?? { unreadable: true }) as AuditRow['details'] };
  const at = Number.isFinite(row.at) && Math.abs(row.at) < 8.64e15 ? row.at : 0;
  return { ...(fields as Omit<AuditRow, 'at' | 'details'>), ...shown, at: timeText(at) };
}
