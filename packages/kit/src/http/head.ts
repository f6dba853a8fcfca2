/**
 * HTTP/1.1 heads, read strictly (RFC 9112): what two parsers could read in two ways is refused, because a relay that
 * reads a message otherwise than its neighbour can be made to smuggle one.
 */
export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>;

export type HeadProblem = { problem: string };

type Framing = { contentLength: number; chunked: boolean; keepAlive: boolean };

export type RequestHead = Framing & {
  method: string;
  path: string;
  query: string;
  minor: 0 | 1;
  headers: HeaderList;
  expectContinue: boolean;
};

export type ResponseHead = Framing & { status: number; minor: 0 | 1; headers: HeaderList };

/** Content-Length not given. */
export const noLength = -1;

// Tab, visible ASCII and obs-text; CR and LF only as a pair. No look-behind: it would keep the expression from being
// compiled, at ten times the cost.
const forbidden = /[^\t\x20-\x7e\x80-\xff\r\n]|\r(?!\n)|[^\r]\n|^\n/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const digits = /^\d{1,15}$/;
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;

/** Header value by lower-case name; repeated ones joined by ', '. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  let found: string | undefined;
  for (const header of headers) {
    if (header[0] !== name) continue;
    found = found === undefined ? header[1] : `${found}, ${header[1]}`;
  }
  return found;
}

const isBlank = (code: number) => code === 32 || code === 9;

/** Not trim(): it would also take away a no-break space, which another parser keeps. */
function withoutBlanks(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function readFields(text: string, from: number): HeaderList | HeadProblem {
  const headers: Array<readonly [string, string]> = [];
  let start = from;
  while (start < text.length) {
    const found = text.indexOf('\r\n', start);
    const end = found < 0 ? text.length : found;
    const colon = text.indexOf(':', start);
    if (colon < 0 || colon >= end) return { problem: 'a header line without a colon' };
    const name = text.slice(start, colon);
    // Also refuses obs-fold and a space before the colon: neither is a token character.
    if (!token.test(name)) return { problem: 'a header name with a forbidden character' };
    headers.push([name.toLowerCase(), withoutBlanks(text, colon + 1, end)]);
    start = end + 2;
  }
  return headers;
}

function readFraming(headers: HeaderList, minor: number): Framing | HeadProblem {
  let contentLength = noLength;
  let chunked = false;
  let keepAlive = minor === 1;
  for (const [name, value] of headers) {
    if (name === 'content-length') {
      if (contentLength !== noLength) return { problem: 'two Content-Length headers' };
      if (!digits.test(value)) return { problem: 'Content-Length is not a number' };
      contentLength = Number(value);
    } else if (name === 'transfer-encoding') {
      if (chunked) return { problem: 'two Transfer-Encoding headers' };
      if (value.toLowerCase() !== 'chunked') return { problem: 'a Transfer-Encoding other than chunked' };
      if (minor === 0) return { problem: 'Transfer-Encoding in HTTP/1.0' };
      chunked = true;
    } else if (name === 'connection') {
      const words = value.toLowerCase();
      if (words.includes('close')) keepAlive = false;
      else if (minor === 0 && words.includes('keep-alive')) keepAlive = true;
    }
  }
  if (chunked && contentLength !== noLength) return { problem: 'Content-Length together with Transfer-Encoding' };
  return { contentLength, chunked, keepAlive };
}

function splitTarget(target: string): { path: string; query: string } | HeadProblem {
  let rest = target;
  if (!rest.startsWith('/')) {
    const absolute = /^https?:\/\/[^/?#]+/i.exec(rest);
    if (absolute === null)
      return rest === '*' ? { path: '*', query: '' } : { problem: 'the request target is not a path' };
    rest = rest.slice(absolute[0].length) || '/';
  }
  if (rest.includes('#')) return { problem: 'the request target has a fragment' };
  const mark = rest.indexOf('?');
  return mark < 0 ? { path: rest, query: '' } : { path: rest.slice(0, mark), query: rest.slice(mark + 1) };
}

/** Reads a request head: `text` is latin1, without the empty line at its end. */
export function parseRequestHead(text: string): RequestHead | HeadProblem {
  if (forbidden.test(text)) return { problem: 'a control character or a bare line break in the head' };
  const lineEnd = text.indexOf('\r\n');
  const line = requestLine.exec(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (line === null) return { problem: 'the request line is not `METHOD target HTTP/1.1`' };
  const headers = readFields(text, lineEnd < 0 ? text.length : lineEnd + 2);
  if ('problem' in headers) return headers;
  const minor = line[3] === '1' ? 1 : 0;
  const framing = readFraming(headers, minor);
  if ('problem' in framing) return framing;
  let hosts = 0;
  let expectContinue = false;
  for (const [name, value] of headers) {
    if (name === 'host') hosts++;
    else if (name === 'expect' && value.toLowerCase() === '100-continue') expectContinue = minor === 1;
  }
  if (hosts > 1 || (hosts === 0 && minor === 1)) return { problem: 'one Host header is needed' };
  const target = splitTarget(line[2] ?? '');
  if ('problem' in target) return target;
  return { method: line[1] ?? '', ...target, minor, headers, ...framing, expectContinue };
}

/** Reads a response head: `text` is latin1, without the empty line at its end. */
export function parseResponseHead(text: string): ResponseHead | HeadProblem {
  if (forbidden.test(text)) return { problem: 'a control character or a bare line break in the head' };
  const lineEnd = text.indexOf('\r\n');
  const line = statusLine.exec(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (line === null) return { problem: 'the status line is not HTTP/1.x' };
  const headers = readFields(text, lineEnd < 0 ? text.length : lineEnd + 2);
  if ('problem' in headers) return headers;
  const minor = line[1] === '1' ? 1 : 0;
  const framing = readFraming(headers, minor);
  if ('problem' in framing) return framing;
  return { status: Number(line[2]), minor, headers, ...framing };
}

const unsafe = /[^\t\x20-\x7e\x80-\xff]/;
const allUnsafe = new RegExp(unsafe, 'g');

/** A header value that cannot end its line: control characters become spaces. */
export const cleanHeaderValue = (value: string): string => (unsafe.test(value) ? value.replace(allUnsafe, ' ') : value);
