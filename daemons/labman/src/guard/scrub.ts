/**
 * What may tell where something is, in the text of an engine's error. Patterns never take a quote or half an escape,
 * so that JSON stays JSON. Each is linear: no part of one can match what the part before it gave back.
 */
const telling: readonly RegExp[] = [
  /\b[a-z][a-z0-9+.-]{1,19}:(?:\\?\/){2}(?:[^\s"'\\<>]|\\\/)+/gi,
  /\bBearer +[\w.~+/=-]+/gi,
  /\b(?:sk-|hf_|lm[knal]_)[\w-]{6,}/g,
  /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]*\w)/g,
  /(?<![\w:])\[?(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\]?(?::\d{1,5})?(?![\w:])/gi,
  /(?<![\w.-])[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?:\d{2,5}(?!\w)/gi,
  /(?<![\w.:/\\])(?:~|\.{1,2})?(?:\\?\/[\w.@+-]+){2,}/g,
  /(?<!\w)[A-Za-z]:(?:\\\\|\/)(?:[^\s"\\]|\\\\)+/g,
];

/** Text without URLs, addresses, host:port, absolute paths and keys: each becomes `[hidden]` (network plane S12). */
export function scrub(text: string): string {
  return telling.reduce((left, pattern) => left.replace(pattern, '[hidden]'), text);
}
