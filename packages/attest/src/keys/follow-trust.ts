import { AttestRefused } from '../attest-refused.ts';
import { checkEndorsement, endOf } from './endorsement.ts';
import type { Trust } from './trust.ts';

/**
 * Follows a trust file to a newer one of the same issuer. Every key that is new has to be endorsed by one that is
 * trusted; log and threshold have to be what they were; a key that ended stays ended. One that is known to have ended
 * by `now` (Unix ms) vouches for nothing new: its successors are known too, and it may be in other hands, which could
 * date back whatever they sign.
 * @throws AttestRefused TRUST_BAD, SIGNATURE_BAD
 */
export async function followTrust(current: Trust, next: Trust, now: number): Promise<Trust> {
  const sameLog = current.log?.origin === next.log?.origin && current.log?.key.keyid === next.log?.key.keyid;
  if (!sameLog || next.threshold !== current.threshold) {
    throw new AttestRefused('TRUST_BAD', 'log or threshold changed: such a trust file has to come by a safe way');
  }
  const accepted = current.keys.filter((key) => endOf(key) > now);
  for (const key of next.keys.toSorted((a, b) => a.notBefore - b.notBefore)) {
    const known = current.keys.find(({ keyid }) => keyid === key.keyid);
    if (known !== undefined) {
      const isWider = known.usage !== key.usage || key.notBefore < known.notBefore || endOf(key) > endOf(known);
      if (isWider) throw new AttestRefused('TRUST_BAD', 'a known key was given more than it had');
      continue;
    }
    if (key.endorsement === undefined) throw new AttestRefused('TRUST_BAD', 'a new key is not endorsed by a known one');
    await checkEndorsement(key, key.endorsement, accepted);
    accepted.push(key);
  }
  return next;
}
