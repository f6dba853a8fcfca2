/** The keys at hand do not fit the store: labd must not go on, and changes nothing (SE-3). `message` is the line to show. */
export class SecretsRefused extends Error {
  readonly exitCode = 78;
  /** The key that is missing or wrong; undefined when the file itself is at fault. */
  readonly keyId: string | undefined;

  constructor(message: string, keyId?: string) {
    super(message);
    this.name = 'SecretsRefused';
    this.keyId = keyId;
  }
}
