/**
 * Model filters: `*` stands for any characters, everything else for itself; case-sensitive; no `*` = exact.
 * Prefix, middles in order, suffix, without overlap. Taking each middle at its first place is enough, so there is no
 * backtracking: `indexOf` walks the text once, whatever the pattern (network-plane spec R7).
 */
export function globMatches(pattern: string, text: string): boolean {
  if (!pattern.includes('*')) return pattern === text;
  const parts = pattern.split('*');
  const head = parts[0] ?? '';
  const tail = parts.at(-1) ?? '';
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  const end = text.length - tail.length;
  let from = head.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at === -1 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

/** Include, then exclude; no patterns = everything. */
export function passesFilters(id: string, include: readonly string[], exclude: readonly string[]): boolean {
  if (include.length > 0 && !include.some((pattern) => globMatches(pattern, id))) return false;
  return !exclude.some((pattern) => globMatches(pattern, id));
}
