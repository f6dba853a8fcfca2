/** Why a certificate was not taken as an identity. `expired` alone may still lead to `reenroll` (CA-7). */
export type PeerReason =
  | 'missing'
  | 'malformed'
  | 'untrusted'
  | 'not-yet-valid'
  | 'expired'
  | 'wrong-usage'
  | 'wrong-identity'
  | 'wrong-pin';

/** The only error of `verifyPeer`. The text holds nothing that the peer sent. */
export class PeerRefused extends Error {
  readonly reason: PeerReason;
  constructor(reason: PeerReason, text: string) {
    super(text);
    this.name = 'PeerRefused';
    this.reason = reason;
  }
}
