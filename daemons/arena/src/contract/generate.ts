/** How the arena asks a model: through the gateway, paid by the tenant that asked (RP2). */
import type { ChatCompletionRequest, ChatMessage, Usage } from '@labmesh/wire/openai';
import type { Priority } from '@labmesh/wire/verification/priority';

export type Generation = {
  answer: ChatMessage;
  /** As the engine names it. */
  model: string;
  finishReason: string | null;
  usage: Usage;
  latencyMs: number;
  /** The first characters that came, thoughts as well: 256 at most. */
  opening?: string;
  /** The engine that answered, as the gateway marks it (AR2); absent = not told. */
  engine?: string | undefined;
};

export type GenerateAsk = {
  tenant: string;
  key: string;
  /** The caller's, where somebody waits for the answer; absent = low (G-31). */
  priority?: Priority;
  /** Without `stream`; sampling values set. */
  request: ChatCompletionRequest;
  /** No other engine is to answer; a mark of an earlier answer. */
  engine?: string;
  /** Aborting it ends the request at the engine. */
  signal: AbortSignal;
  /** Characters so far, as they come: for early termination and progress. */
  onProgress?: (chars: number) => void;
};

/** @throws ApiError of the gateway's answer */
export type Generate = (ask: GenerateAsk) => Promise<Generation>;
