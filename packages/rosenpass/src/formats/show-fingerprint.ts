/** A fingerprint for the eye: `sha256:` and its 64 hex digits in groups of 8 (spec tunnel.md K2). */
export function showFingerprint(fingerprint: string): string {
  const [, head = '', digits = fingerprint] = /^(sha256:)?(.*)$/s.exec(fingerprint) ?? [];
  return head + (digits.match(/.{1,8}/gs) ?? []).join(' ');
}
