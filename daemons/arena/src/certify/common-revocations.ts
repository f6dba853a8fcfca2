/** What the issuer took back that is no single certificate: a key from some moment on, all that a verifier said. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Revocation } from '@labmesh/attest/certificate/revocations';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { sha256Hex } from '@labmesh/attest/sha256';

export class CommonRevocations {
  readonly #folder: string;
  readonly #list: () => Promise<readonly Revocation[]>;
  #read: { file: string; digest: string } | undefined;

  /** @param folder of the issuer @param list reads what is revoked */
  constructor(folder: string, list: () => Promise<readonly Revocation[]>) {
    this.#folder = folder;
    this.#list = list;
  }

  /**
   * Hex SHA-256 of them, in their order. The list is read when its file is another than the last time, as labctl writes it
   * too. Rows know of single certificates, whose tenants must not see each other's.
   * @throws AttestRefused when the list or the keys are not ours
   */
  async digest(): Promise<string> {
    const { mtimeMs, size, ino } = await stat(join(this.#folder, folderFiles.revocations));
    const file = [mtimeMs, size, ino].join(' ');
    if (this.#read?.file === file) return this.#read.digest;
    const common = (await this.#list()).filter((one) => one.certificate_id === undefined);
    const digest = sha256Hex(new TextEncoder().encode(JSON.stringify(common)));
    this.#read = { file, digest };
    return digest;
  }
}
