import type { Target } from './endpoint.ts';

/** A base_url that cannot be used; the message says what to write instead. It may hold the operator's own text. */
export class BaseUrlError extends Error {
  override name = 'BaseUrlError';
}

const lengthMax = 2_048;
const openaiRoute = /\/(chat\/completions|completions|embeddings|responses|messages|models)$/;

function refuseBeforeParsing(text: string): void {
  if (text === '') throw new BaseUrlError('base_url is empty; write one such as http://127.0.0.1:11434/v1');
  if (text.length > lengthMax) throw new BaseUrlError(`base_url is longer than ${lengthMax} characters`);
  // The URL parser repairs these silently; a repaired address is one that the operator did not write.
  if (/[\s\\\u0000-\u001f\u007f]/.test(text)) {
    throw new BaseUrlError('base_url holds a space, a backslash or a control character');
  }
  if (!/^https?:\/\//i.test(text)) throw new BaseUrlError('base_url must start with http:// or https://');
  if (text.includes('?')) throw new BaseUrlError('base_url must not have a query (?…)');
  if (text.includes('#')) throw new BaseUrlError('base_url must not have a fragment (#…)');
  if (/^https?:\/\/[^/]*@/i.test(text)) {
    throw new BaseUrlError('base_url must not hold a user or password; use api_key or headers');
  }
  if (/^https?:\/\/\//i.test(text)) throw new BaseUrlError('base_url has no host');
}

/**
 * Text of a base_url → where its OpenAI routes are. With or without `/v1` at the end: the prefix always ends in it.
 * IPv6 hosts come out without brackets. Throws BaseUrlError. Source: gateway spec I-1.
 */
export function parseBaseUrl(text: string): Target {
  const trimmed = text.trim();
  refuseBeforeParsing(trimmed);
  if (!URL.canParse(trimmed)) throw new BaseUrlError('base_url is not a valid address: check host and port');
  const url = new URL(trimmed);
  const tls = url.protocol === 'https:';
  const path = url.pathname.replace(/\/+$/, '');
  if (path.includes('//')) throw new BaseUrlError('base_url holds // in its path');
  const route = openaiRoute.exec(path);
  if (route !== null) {
    throw new BaseUrlError(`base_url ends in ${route[0]}; write only what comes before it`);
  }
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  if (port === 0) throw new BaseUrlError('base_url has port 0');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    tls,
    prefix: path.endsWith('/v1') ? path : `${path}/v1`,
  };
}

/** Whether the operator wrote the `/v1` himself: then no other prefix is tried. */
export function writesVersion(baseUrl: string): boolean {
  return /\/v1\/*$/.test(baseUrl.trim());
}

/** What comes before the engine's own routes: the prefix without its `/v1`. */
export function rootOf(target: Target): string {
  return target.prefix.endsWith('/v1') ? target.prefix.slice(0, -3) : target.prefix;
}

/** The origin as text, such as `http://[::1]:8000`. */
export function originOf(target: Target): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${target.tls ? 'https' : 'http'}://${host}:${target.port}`;
}
