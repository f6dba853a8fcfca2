export type TunnelKeyErrorCode = 'KEY_FILE_MODE' | 'KEY_FILE_INVALID' | 'ROSENPASS_KEY_INVALID';

/** A key file that does not do: what was expected, what was found, and the command that mends it. Never a key. */
export class TunnelKeyError extends Error {
  override readonly name = 'TunnelKeyError';
  readonly code: TunnelKeyErrorCode;
  readonly exitCode = 3;
  constructor(code: TunnelKeyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
