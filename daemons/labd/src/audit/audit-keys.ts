/**
 * The audit keys (AU-2, AU-5): HMAC keys that rows are chained with, and an ES256 pair that signs checkpoints. Both are
 * sealed in `settings` and kept for ever, since old rows need them:
 *
 *     audit.key.k1 … kN          32 random bytes; the highest number chains new rows
 *     audit.checkpoint-key.c1    PKCS #8; the public half is derived, never trusted from the store
 *
 * The two are apart so that who can chain rows cannot sign heads.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';

const who = system('audit-keys');
const chainPrefix = 'audit.key.';
const signerPrefix = 'audit.checkpoint-key.';
const es256 = { dsaEncoding: 'ieee-p1363' } as const;

type Opened = { id: string; bytes: Uint8Array };
type Signer = { id: string; privateKey: KeyObject; publicKey: KeyObject };

const numberOf = (id: string) => Number(/\d+$/.exec(id)?.[0] ?? 0);
const newest = <K extends { id: string }>(keys: readonly K[]): K | undefined =>
  keys.reduce<K | undefined>(
    (best, key) => (best === undefined || numberOf(key.id) > numberOf(best.id) ? key : best),
    undefined,
  );

const makeSigner = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' });

/** What verifying takes, away from the store: HMAC keys, and the public halves of what signs checkpoints (SPKI, DER). */
export type SharedKeys = { chainKeys: [id: string, key: Uint8Array][]; signers: [id: string, spki: Uint8Array][] };
/** The keys as a verifier uses them. */
export type VerifyKeys = Pick<AuditKeys, 'chainKey' | 'chainKeyIds' | 'verify' | 'reload'>;

/** Whether the signature (base64url) is that key's over the text. */
export function holdsEs256(publicKey: KeyObject, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64url');
  return bytes.length === 64 && verify('sha256', Buffer.from(text), { key: publicKey, ...es256 }, bytes);
}

export class AuditKeys {
  readonly #store: Store;
  readonly #secrets: Sealer;
  #chainKeys = new Map<string, Uint8Array>();
  #signers = new Map<string, Signer>();
  #current: Opened;
  #signer: Signer;

  private constructor(store: Store, secrets: Sealer, chainKeys: Opened[], signers: Signer[]) {
    this.#store = store;
    this.#secrets = secrets;
    const [current, signer] = [newest(chainKeys), newest(signers)];
    if (current === undefined || signer === undefined) throw new FleetError('INTERNAL', { log: 'no audit key' });
    [this.#current, this.#signer] = [current, signer];
    this.#take(chainKeys, signers);
  }

  /** Reads the keys; makes the first ones. @throws FleetError STORE_UNAVAILABLE, INTERNAL when one does not open. */
  static async open(store: Store, secrets: Sealer, now: number): Promise<AuditKeys> {
    await store.write(who, async (tx) => {
      await addFirst(tx, secrets, `${chainPrefix}k1`, () => randomBytes(32), now);
      await addFirst(tx, secrets, `${signerPrefix}c1`, makeSigner, now);
    });
    const { chainKeys, signers } = await readKeys(store, secrets);
    return new AuditKeys(store, secrets, chainKeys, signers);
  }

  /** The key for new rows. */
  current(): { id: string; bytes: Uint8Array } {
    return this.#current;
  }

  /** The key of that id, as far as known here. */
  chainKey(id: string): Uint8Array | undefined {
    return this.#chainKeys.get(id);
  }

  /** All key ids known here. */
  chainKeyIds(): string[] {
    return [...this.#chainKeys.keys()];
  }

  /** Takes keys up that another replica made. */
  async reload(): Promise<void> {
    const { chainKeys, signers } = await readKeys(this.#store, this.#secrets);
    this.#take(chainKeys, signers);
  }

  /** A new key for the rows to come; gives its id. Old keys stay for verification. */
  async rotate(now: number): Promise<string> {
    await this.reload();
    const id = `k${numberOf(this.#current.id) + 1}`;
    await this.#store.write(who, (tx) => addKey(tx, this.#secrets, `${chainPrefix}${id}`, randomBytes(32), now));
    await this.reload();
    return this.#current.id;
  }

  /** Id of the key that signs. */
  signerId(): string {
    return this.#signer.id;
  }

  /** The public key that checks checkpoints away from labd, PEM. */
  publicKeyPem(): string {
    return this.#signer.publicKey.export({ type: 'spki', format: 'pem' });
  }

  /** ES256 over the text, base64url. */
  sign(text: string): string {
    return sign('sha256', Buffer.from(text), { key: this.#signer.privateKey, ...es256 }).toString('base64url');
  }

  /** Whether the signature is that key's over the text. False for unknown keys, too. */
  verify(signerId: string, text: string, signature: string): boolean {
    const signer = this.#signers.get(signerId);
    return signer !== undefined && holdsEs256(signer.publicKey, text, signature);
  }

  /** A copy for another thread of this process. Nothing in it signs. */
  shared(): SharedKeys {
    const spki = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
    return {
      chainKeys: [...this.#chainKeys].map(([id, key]) => [id, new Uint8Array(key)]),
      signers: [...this.#signers].map(([id, { publicKey }]) => [id, spki(publicKey)]),
    };
  }

  #take(chainKeys: readonly Opened[], signers: readonly Signer[]): void {
    this.#chainKeys = new Map(chainKeys.map(({ id, bytes }) => [id, bytes]));
    this.#signers = new Map(signers.map((signer) => [signer.id, signer]));
    this.#current = newest(chainKeys) ?? this.#current;
    this.#signer = newest(signers) ?? this.#signer;
  }
}

async function addKey(tx: Writer, secrets: Sealer, key: string, plain: Uint8Array, now: number): Promise<void> {
  const value = secrets.seal('settings', key, 'value', plain);
  // Two replicas that start together agree on the first one's key.
  const row = { key, value, updated_at: now };
  await tx
    .insertInto('settings')
    .values(row)
    .onConflict((on) => on.column('key').doNothing())
    .execute();
}

async function addFirst(tx: Writer, secrets: Sealer, key: string, make: () => Uint8Array, now: number): Promise<void> {
  const there = await tx.selectFrom('settings').select('key').where('key', '=', key).executeTakeFirst();
  if (there === undefined) await addKey(tx, secrets, key, make(), now);
}

async function readKeys(store: Store, secrets: Sealer): Promise<{ chainKeys: Opened[]; signers: Signer[] }> {
  const rows = await store.read(who, (db) =>
    db
      .selectFrom('settings')
      .select(['key', 'value'])
      .where((on) => on.or([on('key', 'like', `${chainPrefix}%`), on('key', 'like', `${signerPrefix}%`)]))
      .execute(),
  );
  const open = (prefix: string): Opened[] =>
    rows
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, value }) => ({
        id: key.slice(prefix.length),
        bytes: secrets.open('settings', key, 'value', value),
      }));
  const signers = open(signerPrefix).map(({ id, bytes }) => {
    const privateKey = createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' });
    return { id, privateKey, publicKey: createPublicKey(privateKey) };
  });
  return { chainKeys: open(chainPrefix), signers };
}
