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
export const protectedCharsMost = 64 * 1024 * 1024;

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

/** Hashes in order, 8 bytes each: a set of as many would take the tenfold. */
class SortedHashes {
  #hashes = new BigUint64Array(1024);
  #size = 0;

  add(hash: bigint): void {
    if (this.#size === this.#hashes.length) {
      const wider = new BigUint64Array(this.#size * 2);
      wider.set(this.#hashes);
      this.#hashes = wider;
    }
    this.#hashes[this.#size++] = hash;
  }

  /** Before the first question. */
  sort(): void {
    this.#hashes = this.#hashes.subarray(0, this.#size).toSorted();
  }

  has(hash: bigint): boolean {
    let [low, high] = [0, this.#size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] ?? 0n) < hash) low = middle + 1;
      else high = middle;
    }
    return low < this.#size && this.#hashes[low] === hash;
  }
}

export class Contamination {
  readonly #grams = new SortedHashes();
  readonly #whole = new Set<bigint>();

  private constructor() {}

  /** Reads protected texts once; none is kept. @throws PairsError DATASET_TOO_LARGE above protectedCharsMost */
  static async of(texts: AsyncIterable<string> | Iterable<string>): Promise<Contamination> {
    const made = new Contamination();
    let chars = 0;
    for await (const text of texts) {
      chars += text.length;
      if (chars > protectedCharsMost) {
        throw new PairsError('DATASET_TOO_LARGE', `suites and held-out prompts are larger than ${protectedCharsMost}`);
      }
      const words = wordsOf(text);
      for (const one of gramsOf(words)) made.#grams.add(one);
      if (words.length < gramWords && words.length >= wholeWordsLeast) made.#whole.add(gram(words));
    }
    made.#grams.sort();
    return made;
  }

  /** True when a message shares too much with a protected text. */
  has(messages: readonly ChatMessage[]): boolean {
    return messages.flatMap(textsOf).some((text) => {
      const words = wordsOf(text);
      if (words.length < gramWords) return this.#whole.has(gram(words));
      for (const one of gramsOf(words)) if (this.#grams.has(one)) return true;
      return false;
    });
  }
}
