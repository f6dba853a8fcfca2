/** Which links of an untrusted tree may be made (CP-1). */

/**
 * True when a link could lead out of its tree. `depth`: folders between the tree's root and the one that the link is
 * in, 0 = directly below the root.
 *
 * Only `..` at the beginning is understood, because there it means real folders of the tree. Behind a name it would mean
 * whatever that name leads to, which may be a link too: such ones are refused. So, link by link, none leads out.
 */
export function leadsOut(link: string, depth: number): boolean {
  if (link === '' || link.startsWith('/') || link.includes('\0')) return true;
  const parts = link.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const leading = ups < 0 ? parts.length : ups;
  return leading > depth || parts.slice(leading).includes('..');
}
