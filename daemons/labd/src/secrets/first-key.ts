/** The first start on an empty store: one key becomes the active one, whoever else starts at the same moment. */
import { system } from '@labmesh/wire/fleet/principal';
import { rm } from 'node:fs/promises';
import { kekOf, newKek, newSalt, passphraseKey } from '@labmesh/pki/seal/kek';
import { createKeyFile } from '@labmesh/pki/seal/key-file';
import type { KeyRing } from './key-ring.ts';
import { insertKey, readKeyRows } from './key-rows.ts';
import { firstSealed } from './sealed-fields.ts';
import { type Kek, kekIdOf } from '@labmesh/pki/seal/seal-value';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import type { World } from '../settings/world.ts';

export type FirstKeyOptions = {
  store: World['store'];
  ring: KeyRing;
  keyFile: string;
  passphrase?: string | undefined;
  clock: World['clock'];
  log: World['log'];
};

type Candidate = { kek: Kek; salt?: Uint8Array; isNewFile?: boolean };

const principal = system('open-secrets');

/** No new key while something is sealed already: its key is the one to find (SE-3). @throws SecretsRefused. */
async function keyOfSealed({ store, ring, keyFile }: FirstKeyOptions): Promise<Kek | undefined> {
  const sealed = await store.read(principal, firstSealed);
  if (sealed === undefined) return undefined;
  const id = kekIdOf(sealed) ?? 'unknown';
  const kek = ring.get(id);
  if (kek !== undefined) return kek;
  throw new SecretsRefused(`the store holds values sealed with key ${id}: put that key into ${keyFile}`, id);
}

/** What would be the first key: the one that is here already, the passphrase's, or a new one in a new file. */
async function candidate(options: FirstKeyOptions): Promise<Candidate> {
  const { ring, keyFile, passphrase } = options;
  const known = await keyOfSealed(options);
  if (known !== undefined) return { kek: known };
  if (passphrase !== undefined) {
    const salt = newSalt();
    return { kek: kekOf(await passphraseKey(passphrase, salt)), salt };
  }
  if (ring.newestInFile !== undefined) return { kek: ring.newestInFile };
  const kek = newKek();
  if (await createKeyFile(keyFile, kek)) return { kek, isNewFile: true };
  // Another process made the file between our look and now.
  await ring.load([]);
  if (ring.newestInFile !== undefined) return { kek: ring.newestInFile };
  // A file without a key: one that this process alone knows would be gone with it, and all that it sealed.
  throw new SecretsRefused(`${keyFile} holds no key: put one in, or remove the file and one is made`);
}

/** Registers the first key unless there is one by now; the caller reads the rows again. @throws SecretsRefused. */
export async function registerFirstKey(options: FirstKeyOptions): Promise<void> {
  const { store, ring, keyFile, clock, log } = options;
  const { kek, salt, isNewFile } = await candidate(options);
  const winner = await store.write(principal, async (tx) => {
    const [first] = await readKeyRows(tx);
    if (first !== undefined) return first.id;
    await insertKey(tx, { kek, salt, state: 'active', at: clock.wall() });
    return kek.id;
  });
  if (winner === kek.id) {
    ring.add(kek);
    if (isNewFile === true) log.warn('made a new key file: back it up, apart from the database', { path: keyFile });
    return;
  }
  // Nothing was sealed with it, and left there it would only be mistaken for the right one.
  if (isNewFile === true) await rm(keyFile, { force: true });
}
