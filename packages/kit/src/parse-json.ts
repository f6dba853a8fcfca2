/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether a member anywhere in a parsed JSON value is called `__proto__`. Schemas drop such a member without a word, so
 * what decides about others is refused with one. The caller bounds how deep the value nests.
 */
export const holdsProto = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(holdsProto));
