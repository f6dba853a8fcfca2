/** Token counts of one answer. */
export type Usage = {
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  /** Counted by us because the engine said nothing. */
  estimated: boolean;
};

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

/** Reads an OpenAI `usage` object; undefined when it is none. */
export function readUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (field(value, 'prompt_tokens') === undefined && field(value, 'total_tokens') === undefined) return undefined;
  return {
    promptTokens: count(field(value, 'prompt_tokens')),
    completionTokens: count(field(value, 'completion_tokens')),
    cachedTokens: count(field(field(value, 'prompt_tokens_details'), 'cached_tokens')),
    reasoningTokens: count(field(field(value, 'completion_tokens_details'), 'reasoning_tokens')),
    estimated: false,
  };
}

const usageKey = Buffer.from('"usage"');
/** A hostile answer may be full of beginnings. */
const triesMax = 4;

/**
 * Finds the last `"usage":{…}` in the tail of a JSON answer. The key cannot be part of a string: inside one its quotes
 * would be escaped.
 */
export function usageFromTail(tail: Uint8Array): Usage | undefined {
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  let at = bytes.lastIndexOf(usageKey);
  for (let tries = 0; at >= 0 && tries < triesMax; at = at === 0 ? -1 : bytes.lastIndexOf(usageKey, at - 1)) {
    tries++;
    const opened = /^"usage"\s*:\s*(?=\{)/.exec(bytes.toString('latin1', at, at + 64));
    if (opened === null) continue;
    const end = objectEnd(bytes, at + opened[0].length);
    if (end < 0) continue;
    try {
      const usage = readUsage(JSON.parse(bytes.toString('utf8', at + opened[0].length, end)));
      if (usage !== undefined) return usage;
    } catch {
      // Not JSON after all: look further to the front.
    }
  }
  return undefined;
}

function objectEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let inString = false;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 92) at++;
      else if (byte === 34) inString = false;
    } else if (byte === 34) inString = true;
    else if (byte === 123) depth++;
    else if (byte === 125 && --depth === 0) return at + 1;
  }
  return -1;
}

/** Four bytes a token: for engines that do not count. */
export const estimateUsage = (promptBytes: number, deltas: number): Usage => ({
  promptTokens: Math.ceil(promptBytes / 4),
  completionTokens: deltas,
  cachedTokens: 0,
  reasoningTokens: 0,
  estimated: true,
});
