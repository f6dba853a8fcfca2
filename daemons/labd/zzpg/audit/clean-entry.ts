/**
 * An entry made fit for the log: bounded, without secrets, and such that no database refuses it. One row that cannot be
 * stored would hold up all rows behind it, so nothing here throws, whatever is handed in.
 */
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { AuditFields } from './audit-row.ts';
import { canonicalJson } from './canonical-json.ts';

/** What happened (AU-1). `details` may hold anything; secrets in it become `[secret]`. */
export type AuditEntry = {
  principal: Principal;
  phase: 'start' | 'end' | 'single';
  /** Noun and verb: `exec.open`. */
  action: string;
  /** `servers/web-1`. */
  resource?: string;
  resourceId?: string;
  session?: string;
  sourceIp?: string;
  requestId?: string;
  result: 'ok' | 'denied' | 'error';
  /** An error code. */
  code?: string;
  durationMs?: number;
  details?: Record<string, unknown>;
};

const secret = '[secret]';
const detailsBytesMax = 16 * 1_024;
const stringCharsMax = 4_096;
const depthMax = 8;
const itemsMax = 256;

/** Names whose values are secret; with `strictKey` also as numbers and hashes. */
const secretKey = /token|key|pem$|authori[sz]ation|bearer/i;
const strictKey = /secret|passw|passphrase|cookie|credential|totp|otp$|pepper|private|recovery/i;
/** Endings that make a name one about a secret: `keyId`, `keyHash`, `tokenType`. */
const harmlessEnd =
  /(?:ids?|count|type|state|kind|prefix|name|curve|algorithm|version|pin|expires|expires_?at|uses|ttl)$/i;
const hashEnd = /(?:hash|fingerprint|sha256|digest)$/i;

/** Tokens, keys and sessions of ours (the public part of the name stays), bearer values, JWTs, URLs with a password. */
const secretShapes: readonly [RegExp, string][] = [
  [/\b(lm[a-z]_[0-9A-Za-z]{4,32})_[\w-]{16,}/g, `$1_${secret}`],
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, secret],
  [/\b(Bearer)\s+[\w.~+/=-]{16,}/gi, `$1 ${secret}`],
  [/\b(Basic)\s+(?=[A-Za-z+/]*[0-9=])[A-Za-z0-9+/=]{8,}/gi, `$1 ${secret}`],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, secret],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, `$1:${secret}@`],
];

/** Cheap look before the patterns: most texts hold nothing of the kind. */
const suspicious = /lm[a-z]_|-----BEGIN|bearer|basic|eyJ|:\/\//i;

/** A text without secrets, NULs (PostgreSQL takes none) or half characters, cut to `charsMax`. */
export function cleanText(value: string, charsMax: number): string {
  let clean = value;
  if (suspicious.test(clean)) for (const [shape, put] of secretShapes) clean = clean.replace(shape, put);
  if (clean.includes('\0')) clean = clean.replaceAll('\0', '\u{fffd}');
  if (clean.length > charsMax) clean = `${clean.slice(0, charsMax - 1)}…`;
  return clean.isWellFormed() ? clean : clean.toWellFormed();
}

function cleanObject(value: object, depth: number): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return { bytes: value.byteLength };
  if (value instanceof Error) return cleanText(`${value.name}: ${value.message}`, stringCharsMax);
  if (depth >= depthMax) return '…';
  if (Array.isArray(value)) {
    // Array.from, unlike map, visits the holes of a sparse list.
    return Array.from(value.slice(0, itemsMax), (item: unknown) => cleanValue(item, depth + 1) ?? null);
  }
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  return Object.fromEntries(
    entries.slice(0, itemsMax).flatMap(([name, item]) => {
      const key = String(name);
      const clean = isSecret(key, item) ? secret : cleanValue(item, depth + 1);
      return clean === undefined ? [] : [[cleanText(key, 256), clean]];
    }),
  );
}

function isSecret(key: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean' || harmlessEnd.test(key)) return false;
  if (strictKey.test(key)) return true;
  return secretKey.test(key) && typeof value !== 'number' && !hashEnd.test(key);
}

function cleanValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return cleanText(value, stringCharsMax);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? null : cleanObject(value, depth);
    default:
      return undefined;
  }
}

/** Details as canonical text of at most 16 KiB; larger ones are replaced by their names and size. */
export function cleanDetails(details: Record<string, unknown>): string {
  try {
    const clean = cleanObject(details, 0);
    const text = canonicalJson(clean);
    const bytes = Buffer.byteLength(text);
    if (bytes <= detailsBytesMax) return text;
    const names = Object.keys(clean as object).slice(0, 32);
    return canonicalJson({ truncated: true, bytes, names: names.map((name) => cleanText(name, 64)) });
  } catch (error) {
    // A getter or a proxy that throws.
    return canonicalJson({ unreadable: error instanceof Error ? cleanText(error.name, 64) : 'details' });
  }
}

const short = (value: string | undefined, charsMax: number): string | undefined =>
  value === undefined ? undefined : cleanText(value, charsMax);

export type CleanEntry = Omit<AuditFields, 'seq' | 'chain' | 'keyId' | 'at'>;

/** The fields of an entry as they go into the log. */
export function cleanEntry(entry: AuditEntry): CleanEntry {
  const { principal, durationMs } = entry;
  return {
    phase: entry.phase,
    principal: {
      kind: principal.kind,
      id: cleanText(principal.id, 64),
      name: cleanText(principal.name, 253),
    },
    session: short(entry.session, 64),
    sourceIp: short(entry.sourceIp, 64),
    requestId: short(entry.requestId, 64),
    action: cleanText(entry.action, 128),
    resource: short(entry.resource, 512),
    resourceId: short(entry.resourceId, 253),
    result: entry.result,
    code: short(entry.code, 64),
    durationMs: durationMs === undefined || !(durationMs >= 0) ? undefined : Math.round(Math.min(durationMs, 2 ** 50)),
    details: entry.details === undefined ? undefined : cleanDetails(entry.details),
  };
}
