/**
 * Takes the secrets of a tool server out of what it says: its token, and what the query of its address holds. A text is
 * masked before it is cut: a part of a secret would be known by nobody's comparison.
 */
import type { ToolServerSettings } from './tool-settings.ts';

export type Mask = (text: string) => string;

/** Shorter words stand in texts where they mean something else; tokens are never shorter. */
const charsLeast = 8;

/** Values of a query; a parameter without `=` is one. */
function queryValues(path: string): string[] {
  const at = path.indexOf('?');
  if (at === -1) return [];
  const written = path.slice(at + 1).split('&');
  const raw = written.map((one) => one.slice(one.indexOf('=') + 1));
  // As it was written, and as the server reads it.
  return raw.flatMap((one) => [one, new URLSearchParams(`x=${one}`).get('x') ?? '']);
}

/** A secret as texts, JSON in texts and addresses write it. */
const formsOf = (secret: string) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)];

export function secretMask({ token, path }: Pick<ToolServerSettings, 'token' | 'path'>): Mask {
  const secrets = [...(token === undefined ? [] : [token]), ...queryValues(path)];
  const forms = new Set(secrets.filter(({ length }) => length >= charsLeast).flatMap(formsOf));
  // The longest first: a secret may hold another.
  const ordered = [...forms].toSorted((a, b) => b.length - a.length);
  return (text) => ordered.reduce((masked, form) => masked.replaceAll(form, '[secret]'), text);
}
