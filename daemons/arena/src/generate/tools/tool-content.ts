/** What a tool gave, as the text that a model reads: bounded, and without the secret that its server is asked with. */
import { z } from 'zod';
import type { McpToolResult } from './mcp-message.ts';

/** Characters of one result; the rest is left out, and the text says so. */
export const resultCharsMost = 16_000;

const blockSchema = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('resource'), resource: z.object({ uri: z.string(), text: z.string().nullish() }) }),
  z.object({ type: z.literal('resource_link'), uri: z.string(), name: z.string().nullish() }),
  z.object({ type: z.enum(['image', 'audio']), mimeType: z.string().nullish() }),
]);

/** Pictures and sound are told of, not passed on: candidates are judged by text. */
function textOf(raw: unknown): string {
  const block = blockSchema.safeParse(raw).data;
  if (block === undefined) return '[a part of a kind that is not read]';
  if (block.type === 'text') return block.text;
  if (block.type === 'resource') return block.resource.text ?? `[a file: ${block.resource.uri}]`;
  if (block.type === 'resource_link') return `[a link: ${block.name ?? ''} ${block.uri}]`;
  return `[${block.type} left out]`;
}

/** JSON of what a tool gave as a value; it was read from JSON of bounded depth. */
const valueText = (value: unknown) => (value === undefined || value === null ? '' : JSON.stringify(value));

/** @param secret of the server; undefined = it has none */
export function contentText({ content, structuredContent }: McpToolResult, secret: string | undefined): string {
  const said = content.map(textOf).join('\n');
  const whole = said === '' ? valueText(structuredContent) : said;
  return boundText(secret === undefined ? whole : whole.replaceAll(secret, '[secret]'));
}

/** Well-formed Unicode of at most so many characters. */
function boundText(text: string): string {
  if (text.length <= resultCharsMost) return text.toWellFormed();
  return `${text.slice(0, resultCharsMost).toWellFormed()}\n[${text.length - resultCharsMost} characters left out]`;
}
