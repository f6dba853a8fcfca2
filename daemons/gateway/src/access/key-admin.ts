/** The operator's routes for keys. Each change is one row of the log; no answer but that of a creation holds a key's text. */
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { Logger } from '@labmesh/kit/log';
import { createKeyRequestSchema, editKeyRequestSchema, type KeyRow } from '@labmesh/wire/admin';
import { ApiError } from '@labmesh/wire/errors';
import type { Meter } from '../usage/meter.ts';
import type { Key, KeyStore } from './key-store.ts';

export type KeyParts = { keys: KeyStore; meter: Meter; log: Logger };

type Issue = { path: PropertyKey[]; message: string };
type Schema<T> = {
  safeParse: (given: unknown) => { success: true; data: T } | { success: false; error: { issues: Issue[] } };
};

const time = (ms: number) => new Date(ms).toISOString();

/** Keys with what each has used so far; never with a hash. */
export async function keyRows(parts: KeyParts): Promise<KeyRow[]> {
  const usage = new Map((await parts.meter.by('key')).map((row) => [row.id, row]));
  return parts.keys.list().map((key) => ({
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    tenant: key.tenant,
    ...(key.verification === undefined ? {} : { verification: key.verification }),
    ...(key.variations === undefined ? {} : { variations: key.variations }),
    createdAt: time(key.createdAt),
    ...(key.lastUsedAt === undefined ? {} : { lastUsedAt: time(key.lastUsedAt) }),
    ...(key.revokedAt === undefined ? {} : { revokedAt: time(key.revokedAt) }),
    requests: usage.get(key.id)?.requests ?? 0,
    promptTokens: usage.get(key.id)?.promptTokens ?? 0,
    completionTokens: usage.get(key.id)?.completionTokens ?? 0,
  }));
}

/** @throws ApiError key_not_found for one that is not in the list. */
async function keyRow(parts: KeyParts, { id }: Key): Promise<KeyRow> {
  const row = (await keyRows(parts)).find((one) => one.id === id);
  if (row === undefined) throw new ApiError('key_not_found');
  return row;
}

/** What the operator sent, as the schema has it. @throws ApiError invalid_json, invalid_type with the field. */
async function readRequest<T>(exchange: Exchange, schema: Schema<T>): Promise<T> {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(await exchange.body()).toString('utf8'));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('invalid_json');
  }
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new ApiError('invalid_type', {
    param: issue?.path.join('.') ?? '',
    message: `${issue?.path.join('.') || 'body'}: ${issue?.message}`,
  });
}

/** The one answer that holds a key's text. @throws ApiError invalid_json, invalid_type. */
export async function createKey(parts: KeyParts, exchange: Exchange) {
  const { name, ...traits } = await readRequest(exchange, createKeyRequestSchema);
  const { key, text } = await parts.keys.create(name, traits);
  parts.log.info('a key was created', { key_id: key.id, name: key.name, tenant: key.tenant });
  return { id: key.id, name: key.name, key: text };
}

/** @throws ApiError invalid_json, invalid_type, key_not_found: nothing changes then. */
export async function editKey(parts: KeyParts, id: string, exchange: Exchange): Promise<KeyRow> {
  const edit = await readRequest(exchange, editKeyRequestSchema);
  const key = await parts.keys.edit(id, edit);
  parts.log.info('a key was changed', { key_id: key.id, name: key.name, tenant: key.tenant, ...edit });
  return keyRow(parts, key);
}

/** @throws ApiError key_not_found */
export async function revokeKey(parts: KeyParts, id: string): Promise<KeyRow> {
  const key = await parts.keys.revoke(id);
  parts.log.info('a key was revoked', { key_id: key.id, name: key.name });
  return keyRow(parts, key);
}
