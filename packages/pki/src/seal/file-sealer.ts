/**
 * Seals one file that a process keeps (verification CT6), as labd seals the fields of its store: under a fresh data key,
 * which is sealed under the newest key of a key file, or under a passphrase's key.
 *
 *     {"salt":null,"sealed":"enc:v1:…","version":2}        salt: 16 bytes in hex, of a passphrase's key
 *
 * Any other bytes are a file from before it was sealed. Keys of before open and never seal, so that the file goes over to
 * the newest key, or from key file to passphrase and back, the next time it is written.
 */
import { z } from 'zod';
import { kekOf, newKek, newSalt, passphraseKey, saltBytes } from './kek.ts';
import { addToKeyFile, createKeyFile, readKeyFile, sweepKeyDrafts } from './key-file.ts';
import { type Kek, kekIdOf, openWith, type Place, sealPrefix, sealWith } from './seal-value.ts';
import { SecretsRefused } from './secrets-refused.ts';

export type FileSealerOptions = {
  /** The file's name, for errors. */
  file: string;
  /** Where what is sealed belongs: it opens nowhere else. */
  place: Place;
  keyFile: string;
  /** In place of the key file. */
  passphrase?: string | undefined;
  /** The one before, which only opens. */
  previousPassphrase?: string | undefined;
  /** What the three are called where the operator sets them, for errors. */
  settings: { keyFile: string; passphrase: string; previousPassphrase: string };
  /** A key file was made: without it nothing sealed opens again. */
  onNewKeyFile: (path: string) => void;
};

/** `clear`: it was never sealed. `older`: it opens, and would be sealed with another key now. */
type Form = 'clear' | 'older' | 'current';

const schema = z.strictObject({
  version: z.literal(2),
  salt: z
    .string()
    .regex(/^[0-9a-f]+$/)
    .length(2 * saltBytes)
    .nullable(),
  sealed: z.string().startsWith(sealPrefix),
});
type Sealed = z.infer<typeof schema>;

/** Undefined for a file that is not sealed. */
function parse(bytes: Uint8Array): Sealed | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}

/** Half a second and 128 MiB each: what was derived is kept, of a few salts. */
const derivedMost = 4;

const freshSalt = () => Buffer.from(newSalt()).toString('hex');

export class FileSealer {
  readonly #options: FileSealerOptions;
  /** Keys that the file holds or held: one that is lost while we run goes on opening. */
  readonly #known = new Map<string, Kek>();
  /** The last line of the file as it was read last. */
  #newest: Kek | undefined;
  /** By salt and passphrase. */
  readonly #derived = new Map<string, Promise<Kek>>();
  /** The passphrase's salt in the file as it was opened last, hex. */
  #salt: string | undefined;
  /** The one to go over to. */
  #nextSalt: string | undefined;
  /** Something that a key of the file seals was opened or sealed here. */
  #usedFile = false;
  /** Drafts that others left, looked for once. */
  #swept: Promise<number> | undefined;

  constructor(options: FileSealerOptions) {
    this.#options = options;
  }

  /**
   * What is in the file, and whether it should be sealed anew.
   * @throws SecretsRefused (exitCode 78) naming key and setting when the key is not at hand, or the file was changed
   */
  async open(bytes: Uint8Array): Promise<{ plain: Uint8Array; form: Form }> {
    const sealed = parse(bytes);
    if (sealed === undefined) return { plain: bytes, form: 'clear' };
    const { file, place } = this.#options;
    const id = kekIdOf(sealed.sealed);
    if (id === undefined) throw new SecretsRefused(`${file} is damaged: restore it from a backup`);
    const kek = sealed.salt === null ? await this.#fileKey(id) : await this.#passphraseKey(id, sealed.salt);
    try {
      return { plain: openWith(() => kek.key, place, sealed.sealed), form: this.#formOf(id, sealed.salt) };
    } catch {
      throw new SecretsRefused(`${file} does not open with key ${id}: it was changed; restore it from a backup`, id);
    }
  }

  #formOf(id: string, salt: string | null): Form {
    const { passphrase } = this.#options;
    const isCurrent = passphrase === undefined ? this.#newest?.id === id : (this.#nextSalt ?? this.#salt) === salt;
    return isCurrent ? 'current' : 'older';
  }

  /**
   * Sealed for its place. The key file is read each time: what is sealed with a key that the file does not hold any more
   * would be lost. It is made when there is none, and nothing is sealed yet.
   * @throws SecretsRefused (exitCode 78) naming the setting when it cannot be read or made
   */
  async seal(plain: Uint8Array): Promise<Uint8Array> {
    const { place, passphrase } = this.#options;
    if (passphrase === undefined) {
      const kek = await this.#sealingKey();
      this.#usedFile = true;
      return this.#render(kek, plain, null, place);
    }
    const salt = this.#nextSalt ?? this.#salt ?? freshSalt();
    return this.#render(await this.#derive(passphrase, salt), plain, salt, place);
  }

  #render(kek: Kek, plain: Uint8Array, salt: string | null, place: Place): Uint8Array {
    const sealed: Sealed = { salt, sealed: sealWith(kek, place, plain), version: 2 };
    return new TextEncoder().encode(JSON.stringify(sealed));
  }

  /** From here on a new key seals: the next line of the key file, or the passphrase with a new salt. */
  async rotate(): Promise<void> {
    const { keyFile, passphrase } = this.#options;
    if (passphrase !== undefined) {
      this.#nextSalt = freshSalt();
      return;
    }
    // One that is made now is a new one already.
    if ((await this.#read()) === undefined) await this.#sealingKey();
    else await this.#named(() => addToKeyFile(keyFile, newKek()));
    await this.#read();
  }

  async #fileKey(id: string): Promise<Kek> {
    const { file, keyFile, settings } = this.#options;
    // A rotation by another process comes with a key that was not there before.
    if (!this.#known.has(id)) await this.#read();
    const kek = this.#known.get(id);
    if (kek !== undefined) {
      this.#usedFile = true;
      return kek;
    }
    const message = `${file} is sealed with key ${id}, and it is not in ${keyFile}: put that key into it (${settings.keyFile})`;
    throw new SecretsRefused(message, id);
  }

  async #passphraseKey(id: string, salt: string): Promise<Kek> {
    const { file, passphrase, previousPassphrase, settings } = this.#options;
    for (const one of [passphrase, previousPassphrase]) {
      if (one === undefined) continue;
      const kek = await this.#derive(one, salt);
      if (kek.id !== id) continue;
      if (one !== passphrase) return kek;
      this.#salt = salt;
      if (this.#nextSalt === salt) this.#nextSalt = undefined;
      return kek;
    }
    const { passphrase: name, previousPassphrase: previous } = settings;
    const isNone = passphrase === undefined && previousPassphrase === undefined;
    const why = isNone ? `that key is a passphrase's` : `${name} gives another`;
    const way = `set ${name} as it was then, or, to change it, that one as ${previous}`;
    throw new SecretsRefused(`${file} is sealed with key ${id}, and ${why}: ${way}`, id);
  }

  #derive(passphrase: string, salt: string): Promise<Kek> {
    const name = `${salt}:${passphrase}`;
    let kek = this.#derived.get(name);
    if (kek === undefined) {
      if (this.#derived.size >= derivedMost) this.#derived.clear();
      kek = passphraseKey(passphrase, Buffer.from(salt, 'hex')).then(kekOf);
      this.#derived.set(name, kek);
      kek.catch(() => this.#derived.delete(name));
    }
    return kek;
  }

  async #read(): Promise<Kek | undefined> {
    const { keyFile } = this.#options;
    await (this.#swept ??= sweepKeyDrafts(keyFile));
    const keys = (await this.#named(() => readKeyFile(keyFile))) ?? [];
    for (const kek of keys) this.#known.set(kek.id, kek);
    this.#newest = keys.at(-1);
    return this.#newest;
  }

  /** The newest key of the file. */
  async #sealingKey(): Promise<Kek> {
    const { keyFile, settings, onNewKeyFile } = this.#options;
    const newest = await this.#read();
    if (newest !== undefined) return newest;
    if (this.#usedFile) throw new SecretsRefused(`${settings.keyFile}: the keys in ${keyFile} are gone; put them back`);
    if (await this.#named(() => createKeyFile(keyFile, newKek()))) onNewKeyFile(keyFile);
    // Of the file and not of memory, whoever made it: what seals has to be what the next start finds.
    const made = await this.#read();
    if (made !== undefined) return made;
    throw new SecretsRefused(`${settings.keyFile}: ${keyFile} holds no key; put one in, or remove it and one is made`);
  }

  /** Refusals about the key file name its setting. */
  async #named<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { keyFile, settings } = this.#options;
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof SecretsRefused) throw new SecretsRefused(`${settings.keyFile}: ${error.message}`);
      if (code === undefined) throw error;
      throw new SecretsRefused(`${settings.keyFile}: ${keyFile} cannot be used (${code})`);
    }
  }
}
