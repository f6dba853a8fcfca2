/**
 * One loaded model. `slots` holds a llama.cpp sequence for each request that may run; a request takes one, feeds its
 * prompt in small pieces (so that an abort is seen soon), then takes token after token until something ends it.
 */
import type { Llama, LlamaContextSequence, LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import { engineLimits, type EngineParameters } from '../engine-messages.ts';
import type { LlamaLibrary } from './llama-library.ts';
import { PromptBuilder, type Prompt } from './prompt.ts';
import type { GenerationRequest } from './request.ts';
import { Slots } from './slots.ts';
import { StopScanner, Trimmer } from './stop-scanner.ts';
import { vocabularyOf, type Vocabulary } from './vocabulary.ts';

/** Prompt tokens evaluated between two looks at the abort signal. */
const prefillTokens = 64;
/**
 * A common beginning with the slot's last prompt is reused from this length on. Below it evaluation is cheap, and a
 * request then gives the same bits whatever ran before.
 */
const reuseTokensMin = 256;
const embeddingContextMax = 2048;

export type Outcome = {
  finishReason: 'stop' | 'length';
  promptTokens: number;
  /** Tokens sampled, without the end-of-generation token. */
  completionTokens: number;
  /** Prompt tokens that were still in the slot's cache. */
  cachedTokens: number;
};

export type EngineOptions = { log: Logger; clock: Clock; onProgress?: (share: number) => void };

/**
 * Loads the model file. CPU only, never downloads or builds anything.
 * @throws Error of the library: no binary for this machine, not enough memory, a file llama.cpp cannot read.
 */
export async function loadLlamaEngine(
  library: LlamaLibrary,
  parameters: EngineParameters,
  options: EngineOptions,
): Promise<LlamaEngine> {
  const { LlamaLogLevel } = library;
  const llama = await library.getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: parameters.threads,
    logLevel: LlamaLogLevel.error,
    logger: (level, message) => options.log.warn(`llama.cpp ${level}: ${message.trim()}`),
  });
  const model = await llama.loadModel({ modelPath: parameters.modelPath, onLoadProgress: options.onProgress });
  const contextSize = parameters.contextSize ?? Math.min(model.trainContextSize, engineLimits.contextDefaultMax);
  const context = await model.createContext({
    contextSize: Math.min(contextSize, model.trainContextSize),
    sequences: parameters.parallel,
    threads: parameters.threads,
  });
  const sequences = Array.from({ length: parameters.parallel }, () => context.getSequence());
  return new LlamaEngine(library, llama, model, sequences, parameters, options);
}

export class LlamaEngine implements AsyncDisposable {
  readonly prompts: PromptBuilder;
  /** Tokens of prompt and answer together. */
  readonly contextSize: number;
  #llama: Llama;
  #model: LlamaModel;
  #vocabulary: Vocabulary;
  #slots: Slots<LlamaContextSequence>;
  #embedders: Slots<true>;
  #embedding: Promise<LlamaEmbeddingContext> | undefined;
  #threads: number;

  constructor(
    library: LlamaLibrary,
    llama: Llama,
    model: LlamaModel,
    sequences: readonly LlamaContextSequence[],
    parameters: EngineParameters,
    { clock }: EngineOptions,
  ) {
    this.#llama = llama;
    this.#model = model;
    this.#vocabulary = vocabularyOf(model);
    this.#threads = parameters.threads;
    this.#slots = new Slots(sequences, parameters.queueMax, clock);
    this.#embedders = new Slots([true], parameters.queueMax, clock);
    this.prompts = new PromptBuilder(library, model, this.#vocabulary);
    this.contextSize = sequences[0]?.contextSize ?? 0;
  }

  get trainContextSize(): number {
    return this.#model.trainContextSize;
  }
  get sizeBytes(): number {
    return this.#model.size;
  }
  get running(): number {
    return this.#slots.running;
  }
  get waiting(): number {
    return this.#slots.waiting;
  }

  /**
   * Continues `prompt`; `onText` gets the answer piece by piece. Throws at once, before it returns its promise, when
   * the prompt does not fit or the queue is full. Rejects with the signal's reason when aborted.
   */
  generate(
    prompt: Prompt,
    request: GenerationRequest,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<Outcome> {
    this.#assertFits(prompt.tokens.length, this.contextSize - 1);
    const lease = this.#slots.acquire(signal);
    return (async () => {
      using held = await lease;
      try {
        return await this.#run(held.slot, prompt, request, signal, onText);
      } catch (error) {
        // After an abort the tokens and the cache still agree; after any other error nobody knows.
        if (!signal.aborted) await held.slot.clearHistory();
        throw error;
      }
    })();
  }

  async #run(
    sequence: LlamaContextSequence,
    prompt: Prompt,
    request: GenerationRequest,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<Outcome> {
    const { cachedTokens, rest } = await prefill(sequence, prompt.tokens, signal);
    const promptTokens = prompt.tokens.length;
    const room = Math.min(request.maxTokens ?? Infinity, this.contextSize - promptTokens);
    const decoder = this.#vocabulary.decoder();
    const scanner = new StopScanner([...prompt.stops, ...request.stop]);
    const trimmer = prompt.trim ? new Trimmer() : undefined;
    const send = (text: string) => {
      const out = trimmer ? trimmer.push(text) : text;
      if (out !== '') onText(out);
    };
    let completionTokens = 0;
    let finishReason: Outcome['finishReason'] = 'stop';
    for await (const token of sequence.evaluate(rest, request.sampling)) {
      signal.throwIfAborted();
      if (prompt.stopTokens.has(token)) break;
      completionTokens++;
      send(scanner.push(decoder.push(token)));
      if (scanner.found) break;
      if (completionTokens >= room) {
        finishReason = 'length';
        break;
      }
    }
    send(scanner.flush());
    return { finishReason, promptTokens, completionTokens, cachedTokens };
  }

  /**
   * Gives one vector a text. Throws at once when an input does not fit or the queue is full; rejects with ApiError
   * not_supported when the model cannot embed.
   */
  embed(inputs: readonly string[], signal: AbortSignal): Promise<{ vectors: number[][]; promptTokens: number }> {
    const tokens = inputs.map((input) => this.#vocabulary.encode(input, false));
    const contextSize = Math.min(this.trainContextSize, embeddingContextMax);
    // Two tokens are left for what the model wants around an input.
    for (const input of tokens) this.#assertFits(input.length, contextSize - 3);
    const lease = this.#embedders.acquire(signal);
    return (async () => {
      using _held = await lease;
      const context = await this.#embeddingContext(contextSize);
      const vectors: number[][] = [];
      let promptTokens = 0;
      for (const input of tokens) {
        signal.throwIfAborted();
        promptTokens += context.calculateInputLength(input);
        vectors.push([...(await context.getEmbeddingFor(input)).vector]);
      }
      return { vectors, promptTokens };
    })();
  }

  /** Made at the first use: most engines never embed, and it costs a context of memory. */
  async #embeddingContext(contextSize: number): Promise<LlamaEmbeddingContext> {
    this.#embedding ??= this.#model.createEmbeddingContext({ contextSize, threads: this.#threads });
    try {
      return await this.#embedding;
    } catch (cause) {
      this.#embedding = undefined;
      throw new ApiError('not_supported', { message: 'this model cannot give embeddings', cause, log: String(cause) });
    }
  }

  #assertFits(tokens: number, tokensMax: number): void {
    if (tokens <= tokensMax) return;
    throw new ApiError('context_length_exceeded', {
      message: `the prompt has ${tokens} tokens, this model takes at most ${Math.max(0, tokensMax)}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#llama.dispose();
  }
}

/** Brings the slot's cache in line with `tokens`, but for a rest that is never empty: its last token gives the answer. */
async function prefill(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  signal: AbortSignal,
): Promise<{ cachedTokens: number; rest: Token[] }> {
  signal.throwIfAborted();
  const head = tokens.slice(0, -1);
  if (sequence.compareContextTokens(head).firstDifferentIndex >= reuseTokensMin) {
    await sequence.adaptStateToTokens(head, false);
  } else {
    await sequence.clearHistory();
  }
  const cachedTokens = sequence.nextTokenIndex;
  let at = cachedTokens;
  for (; tokens.length - at > prefillTokens; at += prefillTokens) {
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(at, at + prefillTokens));
    signal.throwIfAborted();
  }
  return { cachedTokens, rest: tokens.slice(at) };
}
