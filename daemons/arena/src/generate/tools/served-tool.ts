/** A tool that a server lists, as runs see it: under which name, and whether it may be called at all. */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { schemaDocument } from '../../verify/parse/schema-document.ts';
import type { Mask } from './mask-secrets.ts';
import type { McpTool } from './mcp-message.ts';
import type { ToolServerSettings } from './tool-settings.ts';

const descriptionCharsMost = 1_024;
/** Of a schema of arguments, as canonical JSON. */
const schemaCharsMost = 16_384;

export type ServedTool = {
  name: string;
  /** The function that a model sees: what chat APIs take for a name. */
  offeredAs: string;
  description: string;
  /** JSON Schema of its arguments. */
  parameters: Record<string, unknown>;
  /** Why it is never called; null = it may be. */
  blocked: string | null;
};

/** Glob with `*` alone. */
function isMatch(pattern: string, name: string, flags = ''): boolean {
  const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
  return new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`, flags).test(name);
}

/** What is allowed is allowed as it is written; what is blocked is blocked however its server spells it. */
const isAllowedBy = (pattern: string, name: string) => isMatch(pattern, name);
const isBlockedBy = (pattern: string, name: string) => isMatch(pattern, name, 'i');

/** Patterns that match no tool: a block list with a slip in it blocks nothing. */
export function idlePatterns(
  { allow, block }: Pick<ToolServerSettings, 'allow' | 'block'>,
  names: readonly string[],
): { allow: string[]; block: string[] } {
  return {
    allow: allow.filter((one) => !names.some((name) => isAllowedBy(one, name))),
    block: block.filter((one) => !names.some((name) => isBlockedBy(one, name))),
  };
}

/** 64 characters of A-Z, a-z, 0-9, _ and -: two names that would fall together keep apart by a digest. */
export function offeredName(server: string, tool: string): string {
  const plain = `${server}__${tool}`.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  if (plain.length <= 64 && plain === `${server}__${tool}`) return plain;
  return `${plain.slice(0, 55)}_${sha256Hex(new TextEncoder().encode(`${server}/${tool}`)).slice(0, 8)}`;
}

/** An object's schema that the check of arguments takes, or why it is none. */
function usableSchema(schema: Record<string, unknown>, mask: Mask): { schema: Record<string, unknown> } | string {
  const unusable = 'the schema of its arguments cannot be used';
  try {
    schemaDocument(schema);
    const json = canonicalJson(schema);
    if (schema['type'] !== 'object' || json.length > schemaCharsMost) return unusable;
    // With another word in its place it would be another schema.
    return mask(json) === json ? { schema } : 'the schema of its arguments holds a secret of its server';
  } catch {
    return unusable;
  }
}

/** Tools with effects are for nobody whose answers are tried several times: only what reads is called unasked. */
function blockOf({ allow, block }: ToolServerSettings, { name, annotations }: McpTool): string | null {
  if (block.some((one) => isBlockedBy(one, name))) return 'it is on the list of what is blocked';
  if (annotations?.readOnlyHint === true || allow.some((one) => isAllowedBy(one, name))) return null;
  return 'it may have effects: its server does not call it read-only, and it is not on the list of what is allowed';
}

/** undefined for a tool whose very name holds a secret. */
export function servedTool(settings: ToolServerSettings, tool: McpTool, mask: Mask): ServedTool | undefined {
  const { name, description, inputSchema } = tool;
  if (mask(name) !== name) return undefined;
  const usable = usableSchema(inputSchema, mask);
  return {
    name,
    offeredAs: offeredName(settings.name, name),
    description: mask(description ?? '')
      .slice(0, descriptionCharsMost)
      .toWellFormed(),
    parameters: typeof usable === 'string' ? {} : usable.schema,
    blocked: typeof usable === 'string' ? usable : blockOf(settings, tool),
  };
}
