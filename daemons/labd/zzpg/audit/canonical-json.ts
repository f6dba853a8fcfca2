/**
 * Canonical JSON (JCS, RFC 8785): keys in the order of their UTF-16 units, no spaces, numbers and strings as
 * ECMAScript writes them. One value has one text, so the text can be hashed.
 */
const member = (key: string, value: unknown): string => `${JSON.stringify(key)}:${canonicalJson(value)}`;

/**
 * The canonical text of a JSON value. Members that are undefined are left out.
 * @throws TypeError for what JSON cannot hold (NaN, Infinity, bigint, functions).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('JSON has no NaN or Infinity');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (item: unknown) => canonicalJson(item)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  // Without a comparator strings are ordered by UTF-16 units, which is what the RFC asks for.
  const keys = entries.map(([key]) => key).toSorted();
  const members = value as Record<string, unknown>;
  return `{${keys.map((key) => member(key, members[key])).join(',')}}`;
}
