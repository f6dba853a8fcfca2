/** A simulated agent that never gives up: it comes back after each loss by lab-agent's own waits (AG-4, RL-2). */
import { Reconnect } from '@labmesh/agent/connection/reconnect';
import type { FakeAgent } from './fake-agent.ts';

/** lab-agent's defaults. */
const range = { minMs: 1_000, maxMs: 30_000 };
const spreadMs = 10_000;

export type ReturnTeller = {
  /** The link is gone; the first try comes after this share of the time that labd told. */
  lost: (share: number) => void;
  /** It was let in again. */
  back: () => void;
};

export class FakeReturn {
  readonly #agent: FakeAgent;
  readonly #url: string;
  readonly #reconnect = new Reconnect(range);
  readonly #told: ReturnTeller;
  #upSince = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** From now on. */
  constructor(agent: FakeAgent, url: string, told: ReturnTeller) {
    this.#agent = agent;
    this.#url = url;
    this.#told = told;
    agent.onClosed = () => this.#lost();
  }

  #lost(): void {
    this.#reconnect.lost(performance.now() - this.#upSince, this.#agent.returnWithinMs);
    const waitMs = this.#reconnect.next();
    this.#told.lost(waitMs / (this.#agent.returnWithinMs ?? 0));
    this.#wait(waitMs);
  }

  #wait(ms: number): void {
    if (!this.#isOver) this.#timer = setTimeout(() => void this.#dial(), ms);
  }

  async #dial(): Promise<void> {
    try {
      await this.#agent.connect(this.#url, Math.random() * spreadMs);
      this.#upSince = performance.now();
      this.#told.back();
    } catch (error) {
      this.#wait(this.#reconnect.afterFailure(error));
    }
  }

  /** Stays away from now on. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#agent.onClosed = undefined;
  }
}
