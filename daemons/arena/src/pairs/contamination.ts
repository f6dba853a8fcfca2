/**
 * Keeps what a model is examined with out of what it learns from (PD2): a row that shares 13 words in a row with a hidden
 * case or a held-out prompt goes into no version. Words are letters and digits, caseless, so that layout hides nothing.
 */
import type { ChatMessage } from '@labmesh/wire/openai';
import { PairsError } from './pairs-error.ts';
import { textOfMessage } from './trainable-message.ts';

const gramWords = 13;
/** A shorter protected text counts when a whole message consists of its words; below this it is chance. */
const wholeWordsLeast = 5;
/** Characters of all protected texts of a tenant together. */
export const protectedCharsMost = 16 * 1024 * 1024;

const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? [];
const gram = (words: readonly string[]): bigint => Bun.hash.wyhash(words.join(' '));

function* gramsOf(words: readonly string[]): Generator<bigint> {
  for (let at = 0; at + gramWords <= words.length; at++) yield gram(words.slice(at, at + gramWords));
}

/** Content and arguments of tool calls. */
function textsOf(message: ChatMessage): string[] {
  const calls = message.tool_calls?.map((call) => call.function?.arguments ?? '') ?? [];
  return [textOfMessage(message) ?? JSON.stringify(message.content ?? ''), ...calls];
}

export class Contamination {
  readonly #grams = new Set<bigint>();
  readonly #whole = new Set<bigint>();

  /** @throws PairsError DATASET_TOO_LARGE above protectedCharsMost */
  constructor(texts: readonly string[]) {
    const chars = texts.reduce((sum, text) => sum + text.length, 0);
    if (chars > protectedCharsMost) {
      throw new PairsError('DATASET_TOO_LARGE', `suites and held-out prompts are larger than ${protectedCharsMost}`);
    }
    for (const text of texts) {
      const words = wordsOf(text);
      for (const one of gramsOf(words)) this.#grams.add(one);
      if (words.length < gramWords && words.length >= wholeWordsLeast) this.#whole.add(gram(words));
    }
  }

  /** True when a message shares too much with a protected text. */
  has(messages: readonly ChatMessage[]): boolean {
    if (this.#grams.size === 0 && this.#whole.size === 0) return false;
    return messages.flatMap(textsOf).some((text) => {
      const words = wordsOf(text);
      if (words.length < gramWords) return this.#whole.has(gram(words));
      for (const one of gramsOf(words)) if (this.#grams.has(one)) return true;
      return false;
    });
  }
}
