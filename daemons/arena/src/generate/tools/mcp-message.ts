/**
 * What an MCP server says, read strictly (JSON-RPC 2.0; Model Context Protocol, revisions 2024-11-05 to 2025-11-25). The
 * server is the operator's choice, but what it passes on may be anybody's: every text has bounds before it is parsed.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import { jsonDepth } from '../../verify/parse/json-text.ts';
import { McpFault } from './mcp-fault.ts';

/** Nesting of a message: what is deeper fits into no tool's schema and no canonical JSON. */
const depthMost = 64;
/** Of one text: 2025-03-26 allows several. */
const messagesMost = 64;

const id = z.union([z.string().max(128), z.number()]);
const head = { jsonrpc: z.literal('2.0') };
const object = z.record(z.string(), z.unknown());
const messageSchema = z.union([
  z.object({ ...head, id, result: object }),
  z.object({ ...head, id: id.nullish(), error: z.object({ code: z.number(), message: z.string() }) }),
  z.object({ ...head, id: id.optional(), method: z.string().max(200) }),
]);
/** An answer to a request of ours, a request of theirs (with `id`), or a notification. */
export type McpMessage = z.infer<typeof messageSchema>;

/** The messages of a body or an event. @throws McpFault bad_answer */
export function readMessages(text: string): McpMessage[] {
  const bad = (why: string) => new McpFault('bad_answer', `the server's answer ${why}`);
  if (jsonDepth(text) > depthMost) throw bad(`is nested deeper than ${depthMost}`);
  const value = parseJson(text);
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  if (list.length > messagesMost) throw bad(`has more than ${messagesMost} messages`);
  return list.map((one) => {
    const read = messageSchema.safeParse(one);
    if (!read.success) throw bad('is no JSON-RPC');
    return read.data;
  });
}

/** A result as its method wants it. @throws McpFault bad_answer */
export function readResult<S extends z.ZodType>(schema: S, result: unknown): z.output<S> {
  const read = schema.safeParse(result);
  if (read.success) return read.data;
  throw new McpFault('bad_answer', `the server's answer does not fit: ${String(read.error.issues[0]?.path[0] ?? '')}`);
}

export const initializeSchema = z.object({
  protocolVersion: z.string().max(32),
  /** `tools` is absent where the server has none. */
  capabilities: z.object({ tools: z.object({}).optional() }),
});

export const toolPageSchema = z.object({
  tools: z.array(z.unknown()).max(1_024),
  nextCursor: z.string().max(4_096).nullish(),
});

/** A tool as it is listed; hints are the server's word, and absent ones claim nothing. */
export const mcpToolSchema = z.object({
  name: z.string().regex(/^[A-Za-z0-9_./-]{1,128}$/),
  description: z.string().nullish(),
  inputSchema: object,
  annotations: z.object({ readOnlyHint: z.boolean().nullish() }).nullish(),
});
export type McpTool = z.infer<typeof mcpToolSchema>;

export const toolResultSchema = z.object({
  content: z.array(z.unknown()).max(1_024).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().nullish(),
});
export type McpToolResult = z.infer<typeof toolResultSchema>;
