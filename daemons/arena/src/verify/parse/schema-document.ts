/** What a schema must be before it is used: bounded, and closed in itself (V9). */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';

export const schemaLimits = { chars: 256 * 1024, depth: 64 } as const;

/** The request's schema, or the settings' one, cannot be used: `error`, nothing is said of the candidate. */
export class SchemaRefused extends Error {
  readonly code: 'SCHEMA_TOO_LARGE' | 'SCHEMA_REMOTE_REF' | 'SCHEMA_UNSUPPORTED' | 'SCHEMA_INVALID';

  constructor(code: SchemaRefused['code'], message: string) {
    super(message);
    this.name = 'SchemaRefused';
    this.code = code;
  }
}

// Left out silently they would make a schema weaker than its author believes.
const unsupported: readonly string[] = ['$dynamicRef', '$recursiveRef'];

function refuseMember(name: string, value: unknown, isRoot: boolean): void {
  if (typeof value !== 'string') return;
  if (name === '$ref' && !value.startsWith('#')) {
    throw new SchemaRefused('SCHEMA_REMOTE_REF', 'a $ref points outside of the schema; only #/… is followed');
  }
  if (unsupported.includes(name) || (name === '$id' && !isRoot)) {
    throw new SchemaRefused('SCHEMA_UNSUPPORTED', `${name} is not supported here`);
  }
}

function walk(value: unknown, isRoot: boolean): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) return value.forEach((item) => walk(item, false));
  for (const [name, member] of Object.entries(value)) {
    refuseMember(name, member, isRoot);
    walk(member, false);
  }
}

/**
 * The schema to hand to the interpreter: without `$id` and `$schema` of its root, which only move references.
 * @throws SchemaRefused
 */
export function schemaDocument(raw: unknown): unknown {
  if (typeof raw === 'boolean') return raw;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new SchemaRefused('SCHEMA_INVALID', 'a schema is an object or a boolean');
  }
  let text: string;
  try {
    // Refuses what is nested deeper than 64 before anything else walks over it.
    text = canonicalJson(raw);
  } catch {
    throw new SchemaRefused('SCHEMA_TOO_LARGE', `the schema is no JSON or nested deeper than ${schemaLimits.depth}`);
  }
  if (text.length > schemaLimits.chars) {
    throw new SchemaRefused('SCHEMA_TOO_LARGE', `the schema is longer than ${schemaLimits.chars} characters`);
  }
  walk(raw, true);
  const { $id: _id, $schema: _schema, ...rest } = raw as Record<string, unknown>;
  return rest;
}
