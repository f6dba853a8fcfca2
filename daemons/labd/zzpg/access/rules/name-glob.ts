/** Name globs of rules (RB-1): `*` stands for any characters, everything else for itself, case counts. */

/**
 * Compiles a glob. Prefix, middles in order, suffix, without overlap; each middle at its first place is enough, so
 * there is no backtracking whatever the pattern.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (!pattern.includes('*')) return (text) => text === pattern;
  const parts = pattern.split('*');
  const head = parts[0] ?? '';
  const tail = parts.at(-1) ?? '';
  const middles = parts.slice(1, -1).filter((part) => part !== '');
  return (text) => {
    if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
    const end = text.length - tail.length;
    let from = head.length;
    for (const part of middles) {
      const at = text.indexOf(part, from);
      if (at === -1 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  };
}

/** The glob matches every name, and things without a name. */
export const matchesAll = (pattern: string | undefined): boolean => pattern === undefined || /^\*+$/.test(pattern);

/**
 * Every name that `inner` matches is matched by `outer`. A `*` of `inner` counts as a letter that only a `*` of `outer`
 * can stand for, so the answer may be a wrong no, never a wrong yes.
 */
export function globContains(outer: string | undefined, inner: string | undefined): boolean {
  if (outer === undefined || matchesAll(outer)) return true;
  return inner !== undefined && compileGlob(outer)(inner);
}

/** Some name may match both. May be a wrong yes, never a wrong no. */
export function globsMayMeet(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  if (!a.includes('*')) return compileGlob(b)(a);
  if (!b.includes('*')) return compileGlob(a)(b);
  const meet = (x: string, y: string, from: 'startsWith' | 'endsWith') => x[from](y) || y[from](x);
  const head = (text: string) => text.slice(0, text.indexOf('*'));
  const tail = (text: string) => text.slice(text.lastIndexOf('*') + 1);
  return meet(head(a), head(b), 'startsWith') && meet(tail(a), tail(b), 'endsWith');
}
