/** A key management service in memory, which fails when it is told to. */
import { AttestRefused } from '../attest-refused.ts';
import type { Kms } from '../keys/kms.ts';
import { type FileSigner, generateSigner } from '../keys/signing-key.ts';

export class FakeKms implements Kms {
  /** `away`: it does nothing. `lost`: it signs, and the answer does not come back. `false`: it signs with another key. */
  fault: 'away' | 'lost' | 'false' | undefined;
  /** Texts that it signed, with each use. */
  readonly signed: { key: string; text: string }[] = [];
  readonly #keys = new Map<string, FileSigner[]>();

  versions(use: string): FileSigner[] {
    const found = this.#keys.get(use) ?? [generateSigner()];
    this.#keys.set(use, found);
    return found;
  }

  next: Kms['next'] = async (use, isKnown) => {
    this.#check();
    const versions = this.versions(use);
    const [newest = generateSigner()] = versions.slice(-1);
    if (isKnown(newest.publicKey)) versions.push(generateSigner());
    const last = versions.at(-1) ?? newest;
    return { key: use, version: versions.length, publicKey: last.publicKey };
  };

  sign: Kms['sign'] = async ({ key, version }, message) => {
    this.#check();
    const signer = this.versions(key)[version - 1];
    if (signer === undefined) throw new AttestRefused('KMS_REFUSED', 'no such version');
    this.signed.push({ key, text: new TextDecoder().decode(message) });
    if (this.fault === 'lost') throw new AttestRefused('KMS_AWAY', 'the answer did not come back');
    return (this.fault === 'false' ? generateSigner() : signer).sign(message);
  };

  #check(): void {
    if (this.fault === 'away') throw new AttestRefused('KMS_AWAY', 'it is away');
  }
}
