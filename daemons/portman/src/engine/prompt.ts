/** From messages or text to the tokens that the model is asked to continue. */
import type { ChatHistoryItem, ChatWrapper, LlamaModel, LlamaText, Token } from 'node-llama-cpp';
import type { LlamaLibrary } from './llama-library.ts';
import type { ChatMessage } from './request.ts';
import type { Vocabulary } from './vocabulary.ts';

export type Prompt = {
  /** Everything the model sees, BOS included. */
  tokens: Token[];
  /** Strings that end the answer besides the request's own. */
  stops: string[];
  /** Control tokens that end the answer besides the model's end-of-generation tokens. */
  stopTokens: ReadonlySet<Token>;
  /** White space at both ends belongs to the prompt form, not to the answer. */
  trim: boolean;
};

/**
 * Models with a smaller trained context get no system text in the plain form: it would push the question out of what
 * they know (tiny-coder answers any prompt with a system text wrongly).
 */
const plainSystemContextMin = 512;
const plainStops = ['\n\n', '\nQ:'];

export class PromptBuilder {
  #model: LlamaModel;
  #vocabulary: Vocabulary;
  #wrapper: ChatWrapper | undefined;

  constructor(library: LlamaLibrary, model: LlamaModel, vocabulary: Vocabulary) {
    this.#model = model;
    this.#vocabulary = vocabulary;
    // Without a template of its own the library would guess one by name; the plain form is at least honest.
    const template = model.fileInfo.metadata.tokenizer?.chat_template;
    this.#wrapper = template ? library.resolveChatWrapper(model, { warningLogs: false }) : undefined;
  }

  /** Raw text; control tokens may be named in it, as for fill-in-the-middle models. */
  forText(text: string): Prompt {
    const tokens = [...this.#bos(), ...this.#vocabulary.encode(text, true)];
    return { tokens, stops: [], stopTokens: new Set(), trim: false };
  }

  forChat(messages: readonly ChatMessage[]): Prompt {
    return this.#wrapper ? this.#templated(this.#wrapper, messages) : this.#plain(messages);
  }

  /** `Q: <last user message>\nA:`, or the message itself when it has an `A:` already. */
  #plain(messages: readonly ChatMessage[]): Prompt {
    const asked = messages.findLast((message) => message.role === 'user')?.text ?? '';
    const form = asked.includes('A:') ? asked : `Q: ${asked.trim()}\nA:`;
    const system = messages.filter((message) => message.role === 'system').map((message) => `${message.text}\n\n`);
    const lead = this.#model.trainContextSize >= plainSystemContextMin ? system.join('') : '';
    const tokens = [...this.#bos(), ...this.#vocabulary.encode(lead + form, false)];
    return { tokens, stops: plainStops, stopTokens: new Set(), trim: true };
  }

  #templated(wrapper: ChatWrapper, messages: readonly ChatMessage[]): Prompt {
    const history = messages.map(historyItem);
    // The wrapper leaves the last answer open; when the client began one, the model goes on with it.
    if (messages.at(-1)?.role !== 'assistant') history.push({ type: 'model', response: [] });
    const { contextText, stopGenerationTriggers } = wrapper.generateContextState({ chatHistory: history });
    const tokens = contextText.tokenize(this.#model.tokenizer);
    return { tokens, ...this.#stopsOf(stopGenerationTriggers), trim: false };
  }

  #stopsOf(triggers: readonly LlamaText[]): Pick<Prompt, 'stops' | 'stopTokens'> {
    const stops: string[] = [];
    const stopTokens = new Set<Token>();
    for (const trigger of triggers) {
      const tokens = trigger.tokenize(this.#model.tokenizer);
      const [only] = tokens;
      if (tokens.length === 1 && this.#model.isSpecialToken(only)) stopTokens.add(only as Token);
      else stops.push(this.#model.detokenize(tokens, true));
    }
    return { stops, stopTokens };
  }

  #bos(): Token[] {
    const { bos, shouldPrependBosToken } = this.#model.tokens;
    return bos !== null && shouldPrependBosToken ? [bos] : [];
  }
}

function historyItem(message: ChatMessage): ChatHistoryItem {
  if (message.role === 'assistant') return { type: 'model', response: [message.text] };
  return { type: message.role, text: message.text };
}
