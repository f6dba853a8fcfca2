/**
 * Checkpoints (AU-5): the heads of all chains at one moment, signed ES256 by a key that chains no rows. They go to the
 * store and to every sink; one kept elsewhere shows a cut tail, and convicts whoever chained anew with the audit key.
 *
 *     {"heads":[{"chain":…,"hash":…,"seq":…}],"kid":"c1","time":"2025-12-21T00:00:00.000Z","type":"heads"}
 *     {"chain":…,"hash":…,"kid":"c1","seq":…,"time":…,"type":"stub"}      rows up to seq were pruned
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { z } from 'zod';
import type { AuditKeys, VerifyKeys } from './audit-keys.ts';
import { type Head, readChains, readHead } from './audit-store.ts';
import { canonicalJson } from './canonical-json.ts';
import type { World } from '../settings/world.ts';

const who = system('audit-checkpoints');

/** `body` is the signed text, `signature` ES256 in base64url. */
export type Signed = { body: string; signature: string };
/** As stored. */
export type Checkpoint = Signed & { id: string; createdAt: number; replicaId: string };

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const head = z.object({ chain: z.string().max(64), seq: z.int().min(0), hash });
const headsSchema = z.object({
  type: z.literal('heads'),
  kid: z.string().max(32),
  time: z.iso.datetime(),
  heads: z.array(head),
});
const stubSchema = head.extend({ type: z.literal('stub'), kid: z.string().max(32), time: z.iso.datetime() });
export type Heads = z.infer<typeof headsSchema>;
export type Stub = z.infer<typeof stubSchema>;

/** The signed statement, its signature checked; `false` when that fails, undefined when the text is none at all. */
export function openSigned<T extends Heads | Stub>(
  keys: VerifyKeys,
  signed: Signed,
  schema: z.ZodType<T>,
): T | false | undefined {
  const parsed = schema.safeParse(parseJson(signed.body));
  if (!parsed.success) return undefined;
  return keys.verify(parsed.data.kid, signed.body, signed.signature) ? parsed.data : false;
}
export const openHeads = (keys: VerifyKeys, signed: Signed) => openSigned<Heads>(keys, signed, headsSchema);
export const openStub = (keys: VerifyKeys, signed: Signed) => openSigned<Stub>(keys, signed, stubSchema);

/** Signs a statement; `kid` is filled in. */
export function signStatement(keys: AuditKeys, statement: Omit<Heads, 'kid'> | Omit<Stub, 'kid'>): Signed {
  const body = canonicalJson({ ...statement, kid: keys.signerId() });
  return { body, signature: keys.sign(body) };
}

/** Keeps a statement among the checkpoints. */
export async function storeCheckpoint(
  store: World['store'],
  signed: Signed,
  replicaId: string,
  now: number,
): Promise<void> {
  const row = { id: uuidv7(), created_at: now, replica_id: replicaId, ...signed };
  await store.write(who, (tx) => tx.insertInto('audit_checkpoints').values(row).execute());
}

/** The own chain's end: an AuditLog. */
export type OwnChain = { readonly chain: string; readonly keys: AuditKeys; head(): Head };
export type CheckpointParts = { store: World['store']; audit: OwnChain; clock: World['clock']; log: World['log'] };

/**
 * Signs the heads as they are now: the own one as committed here, the others as the store has them.
 * @throws FleetError STORE_UNAVAILABLE.
 */
export async function makeCheckpoint({ store, audit, clock }: CheckpointParts): Promise<Signed> {
  const heads: (Head & { chain: string })[] = [];
  const own = audit.head();
  if (own.seq > 0) heads.push({ chain: audit.chain, ...own });
  for (const chain of await readChains(store)) {
    if (chain === audit.chain) continue;
    const found = await store.read(who, (db) => readHead(db, chain));
    if (found !== undefined) heads.push({ chain, ...found });
  }
  const now = clock.wall();
  const signed = signStatement(audit.keys, { type: 'heads', time: new Date(now).toISOString(), heads });
  await storeCheckpoint(store, signed, audit.chain, now);
  return signed;
}

/** Makes a checkpoint each `everyMs` and a last one at the end. */
export class Checkpoints implements AsyncDisposable {
  readonly #parts: CheckpointParts;
  readonly #ended = new AbortController();
  readonly #loop: Promise<void>;
  #lastAt: number | undefined;

  private constructor(parts: CheckpointParts, everyMs: number) {
    this.#parts = parts;
    this.#loop = this.#run(everyMs);
  }

  static start(parts: CheckpointParts, everyMs = 60_000): Checkpoints {
    return new Checkpoints(parts, everyMs);
  }

  /** Unix ms of the last one made here. */
  lastAt(): number | undefined {
    return this.#lastAt;
  }

  async #run(everyMs: number): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#parts.clock.sleep(everyMs, signal).catch(() => {});
      if (!signal.aborted) await this.#make();
    }
  }

  async #make(): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      await makeCheckpoint(this.#parts);
      this.#lastAt = clock.wall();
    } catch (error) {
      log.warn('an audit checkpoint could not be made', { error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('checkpoints end'));
    await this.#loop;
    await this.#make();
  }
}

const fileSchema = z.object({ body: z.string(), signature: z.string().max(256) });

/** Statements in a parsed document: one, a list, or the API's page of them. */
function statementsIn(value: unknown): Signed[] {
  const list = Array.isArray(value) ? value : ((value as { items?: unknown } | null)?.items ?? [value]);
  return (Array.isArray(list) ? list : []).flatMap((one) => {
    const parsed = fileSchema.safeParse(one);
    return parsed.success ? [parsed.data] : [];
  });
}

/**
 * Checkpoints kept elsewhere: one as JSON, a list, or lines of JSON as the file sink writes them (rows between them are
 * passed over). Signatures are not checked yet.
 * @throws FleetError VALIDATION_FAILED when there is none.
 */
export function readCheckpointFile(text: string): Signed[] {
  const whole = parseJson(text);
  const found =
    whole === undefined ? text.split('\n').flatMap((line) => statementsIn(parseJson(line))) : statementsIn(whole);
  if (found.length > 0) return found;
  throw new FleetError('VALIDATION_FAILED', {
    field: 'checkpoint',
    message: 'checkpoint: there is no checkpoint in this',
  });
}
