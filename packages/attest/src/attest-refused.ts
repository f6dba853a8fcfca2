/** Every way in which a document of this package is refused; the text says what was wrong, never what was secret. */
export type AttestCode =
  | 'ALGORITHM_UNKNOWN'
  | 'BASE64_BAD'
  | 'BUNDLE_BAD'
  | 'CHECKPOINT_BAD'
  | 'CLAIM_UNSUPPORTED'
  | 'ENTRY_BAD'
  | 'ENVELOPE_BAD'
  | 'JSON_BAD'
  | 'JSON_NOT_CANONICAL'
  | 'KEY_BAD'
  | 'KEY_NOT_FOUND'
  | 'KEY_WINDOW'
  | 'KMS_AWAY'
  | 'KMS_BAD_ANSWER'
  | 'KMS_REFUSED'
  | 'LOG_BUSY'
  | 'LOG_DAMAGED'
  | 'LOG_FAILED'
  | 'LOG_LOCKED'
  | 'LOG_PROOF_BAD'
  | 'LOG_PROOF_MISSING'
  | 'LOG_SPLIT_VIEW'
  | 'NOTE_BAD'
  | 'PAYLOAD_TYPE'
  | 'RESPONSE_DIFFERS'
  | 'REVOCATIONS_BAD'
  | 'SALT_BAD'
  | 'SIGNATURE_BAD'
  | 'STATEMENT_BAD'
  | 'TILE_BAD'
  | 'TOO_LARGE'
  | 'TRUST_BAD';

/** Something that was given is not what it has to be. Thrown by every parser and check here. */
export class AttestRefused extends Error {
  readonly code: AttestCode;

  constructor(code: AttestCode, message: string) {
    super(message);
    this.name = 'AttestRefused';
    this.code = code;
  }
}
