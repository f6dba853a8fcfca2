/** Narrowers for answers of engines: whatever is not of the wanted shape is undefined, never an exception. */
const decoder = new TextDecoder();

export function readText(body: Uint8Array): string {
  return decoder.decode(body);
}

/** Parses a body; undefined when it is not JSON. */
export function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(readText(body)) as unknown;
  } catch {
    return undefined;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A finite number ≥ 0. */
export function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** A whole number ≥ 1. */
export function asPositive(value: unknown): number | undefined {
  const count = asCount(value);
  return count !== undefined && count >= 1 ? Math.floor(count) : undefined;
}
