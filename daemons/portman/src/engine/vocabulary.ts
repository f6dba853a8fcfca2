/**
 * Text to tokens and back.
 *
 * llama.cpp's SentencePiece code turns each space into U+2581 before it looks into the vocabulary. A vocabulary of bare
 * bytes has no such word, so a space becomes three byte tokens that the model never saw in training (tiny-coder: 54 of
 * 80 prompts right instead of 80). Such vocabularies are therefore coded here, byte by byte.
 */
import type { LlamaModel, Token } from 'node-llama-cpp';

export interface Vocabulary {
  /** Tokens of plain text, without BOS. `special` = the text may name control tokens such as `<|fim_prefix|>`. */
  encode(text: string, special: boolean): Token[];
  /** A decoder for one answer: tokens in order, text out, never half a character. */
  decoder(): TokenDecoder;
}

export interface TokenDecoder {
  /** Text that is complete after this token; '' while a character is still open. */
  push(token: Token): string;
}

const byteName = /^<0x([0-9A-F]{2})>$/;

/** Maps byte → token when the vocabulary is the 256 bytes and a few control tokens, else gives undefined. */
export function byteTokens(words: readonly string[]): Token[] | undefined {
  const byByte: Token[] = [];
  let controls = 0;
  words.forEach((word, token) => {
    const match = byteName.exec(word);
    if (match) byByte[Number.parseInt(match[1] as string, 16)] = token as Token;
    else controls++;
  });
  const complete = Object.keys(byByte).length === 256;
  return complete && controls < 256 && words.length < 512 ? byByte : undefined;
}

/** Codes a vocabulary of bare bytes. */
export class ByteVocabulary implements Vocabulary {
  #tokenOf: readonly Token[];
  #byteOf: ReadonlyMap<Token, number>;

  constructor(tokenOf: readonly Token[]) {
    this.#tokenOf = tokenOf;
    this.#byteOf = new Map(tokenOf.map((token, byte) => [token, byte]));
  }

  encode(text: string): Token[] {
    return Array.from(new TextEncoder().encode(text), (byte) => this.#tokenOf[byte] as Token);
  }

  decoder(): TokenDecoder {
    // A streaming TextDecoder keeps the open bytes of a character and puts U+FFFD for bytes that can be none.
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (token) => {
        const byte = this.#byteOf.get(token);
        return byte === undefined ? '' : utf8.decode(Uint8Array.of(byte), { stream: true });
      },
    };
  }
}

/** Tokens that may be joined before a replacement character counts as the model's own. UTF-8 has at most 4 bytes. */
const openTokensMax = 4;
/** Tokens before the new ones that the detokenizer looks at, to decide on a leading space. */
const trailTokens = 8;

/** Codes every other vocabulary through llama.cpp. */
export class ModelVocabulary implements Vocabulary {
  #model: LlamaModel;

  constructor(model: LlamaModel) {
    this.#model = model;
  }

  encode(text: string, special: boolean): Token[] {
    return this.#model.tokenize(text, special);
  }

  decoder(): TokenDecoder {
    let open: Token[] = [];
    let trail: Token[] = [];
    return {
      push: (token) => {
        open.push(token);
        const text = this.#model.detokenize(open, false, trail);
        if (text.endsWith('\ufffd') && open.length < openTokensMax) return '';
        trail = [...trail, ...open].slice(-trailTokens);
        open = [];
        return text;
      },
    };
  }
}

/** Picks the coding that fits the model. */
export function vocabularyOf(model: LlamaModel): Vocabulary {
  const words: unknown = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
  const tokens = Array.isArray(words) && words.length < 512 ? byteTokens(words as string[]) : undefined;
  return tokens ? new ByteVocabulary(tokens) : new ModelVocabulary(model);
}
