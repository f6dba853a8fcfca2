/** What a run may still spend (AR16): asked before each call, settled after it. Money is in whole nano-USD. */

export type Prices = {
  /** nano-USD per token. */
  inputNano: number;
  outputNano: number;
  /** Those of models that cost otherwise, by name. */
  models: Readonly<Record<string, { inputNano: number; outputNano: number }>>;
};

export type BudgetLimits = { tokens: number; nanoUsd: number | null; judgeCalls: number | null };
export type Spent = { tokens: number; nanoUsd: number; judgeCalls: number };

/** Answers shorter than this are no answers: a call is not worth making for one. */
const answerTokensLeast = 16;

export const nanoOfUsd = (usd: number): number => Math.round(usd * 1e9);

const priceIn = (prices: Prices, model: string) =>
  (Object.hasOwn(prices.models, model) ? prices.models[model] : undefined) ?? prices;

/** Of one token of a model, in USD. */
export function usdOf(prices: Prices, model: string): { inputUsd: number; outputUsd: number } {
  const { inputNano, outputNano } = priceIn(prices, model);
  return { inputUsd: inputNano / 1e9, outputUsd: outputNano / 1e9 };
}

/** Cost of a call in nano-USD. */
export function costNano(prices: Prices, model: string, tokensIn: number, tokensOut: number): number {
  const { inputNano, outputNano } = priceIn(prices, model);
  return tokensIn * inputNano + tokensOut * outputNano;
}

export type Reservation = {
  /** Tokens that the answer may have. */
  answerTokens: number;
  /** Gives back what was set aside and books what was used. Once. */
  settle: (tokens: number, nanoUsd: number) => void;
};

export class Budget {
  readonly limits: BudgetLimits;
  readonly #prices: Prices;
  readonly #spent: Spent;
  #heldTokens = 0;
  #heldNano = 0;

  constructor(limits: BudgetLimits, prices: Prices, spent: Spent) {
    this.limits = limits;
    this.#prices = prices;
    this.#spent = { ...spent };
  }

  get spent(): Readonly<Spent> {
    return this.#spent;
  }

  /**
   * Sets aside what one generating call can cost at most; undefined when nothing useful is left. `sharers`: calls about
   * to be made beside this one, itself counted, so that the first does not take what all need.
   */
  reserve(model: string, promptTokens: number, answerTokens: number, sharers: number): Reservation | undefined {
    const price = (tokensIn: number, tokensOut: number) => costNano(this.#prices, model, tokensIn, tokensOut);
    const tokensLeft = this.limits.tokens - this.#spent.tokens - this.#heldTokens;
    let most = Math.min(answerTokens, Math.floor(tokensLeft / sharers) - promptTokens);
    if (this.limits.nanoUsd !== null) {
      const nanoLeft = Math.floor((this.limits.nanoUsd - this.#spent.nanoUsd - this.#heldNano) / sharers);
      const each = price(0, 1);
      const afterPrompt = nanoLeft - price(promptTokens, 0);
      if (afterPrompt < 0) return undefined;
      if (each > 0) most = Math.min(most, Math.floor(afterPrompt / each));
    }
    if (most < Math.min(answerTokensLeast, answerTokens)) return undefined;
    const held = { tokens: promptTokens + most, nano: price(promptTokens, most) };
    this.#heldTokens += held.tokens;
    this.#heldNano += held.nano;
    let open = true;
    const settle = (tokens: number, nanoUsd: number) => {
      if (!open) return;
      open = false;
      this.#heldTokens -= held.tokens;
      this.#heldNano -= held.nano;
      this.#spent.tokens += tokens;
      this.#spent.nanoUsd += nanoUsd;
    };
    return { answerTokens: most, settle };
  }

  /** Books a judge's call before it is made; false when there is none left, or nothing to pay it with. */
  takeJudgeCall(): boolean {
    const { tokens, nanoUsd, judgeCalls } = this.limits;
    const spent = this.#spent;
    if (judgeCalls !== null && spent.judgeCalls >= judgeCalls) return false;
    if (spent.tokens >= tokens || (nanoUsd !== null && nanoUsd > 0 && spent.nanoUsd >= nanoUsd)) return false;
    spent.judgeCalls += 1;
    return true;
  }

  /** What a judge's call turned out to cost. */
  book(tokens: number, nanoUsd: number): void {
    this.#spent.tokens += tokens;
    this.#spent.nanoUsd += nanoUsd;
  }
}
