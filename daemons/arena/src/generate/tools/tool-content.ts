/** What a tool gave, as the text that a model reads: bounded, and without the secrets that its server is asked with. */
import { z } from 'zod';
import type { Mask } from './mask-secrets.ts';
import type { McpToolResult } from './mcp-message.ts';

/** Characters of one result; the rest is left out, and the text says so. */
export const resultCharsMost = 16_000;
/** Of what a server calls wrong with a call. */
const errorCharsMost = 300;

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

export function contentText({ content, structuredContent }: McpToolResult, mask: Mask): string {
  const said = content.map(textOf).join('\n');
  return boundText(mask(said === '' ? valueText(structuredContent) : said));
}

/** One line: control characters would forge others. */
export function errorText(said: string, mask: Mask): string {
  return mask(said)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, errorCharsMost)
    .toWellFormed();
}

/** Well-formed Unicode of at most so many characters. */
function boundText(text: string): string {
  if (text.length <= resultCharsMost) return text.toWellFormed();
  return `${text.slice(0, resultCharsMost).toWellFormed()}\n[${text.length - resultCharsMost} characters left out]`;
}
