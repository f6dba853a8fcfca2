/** Tells labd the facts of this machine: after each connect, and when a look each 10 min finds others (AG-6). */
import type { Msg } from '@labmesh/wire/frame/messages';
import type { AgentParts } from '../agent-parts.ts';
import { readFacts } from './read-facts.ts';

export type FactsTellerParts = Pick<AgentParts, 'options' | 'clock' | 'log'> & {
  /** False: not connected. */
  send: (msg: Msg) => boolean;
};

const labelsOf = (words: readonly string[]) =>
  Object.fromEntries(words.map((word) => [word.split('=')[0] ?? '', word.split('=').slice(1).join('=')]));

export class FactsTeller {
  readonly #parts: FactsTellerParts;
  /** Of the facts that were told last. */
  digest = '';

  constructor(parts: FactsTellerParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async tell(): Promise<void> {
    const { options, log, send } = this.#parts;
    try {
      const { facts, digest } = await readFacts();
      this.digest = digest;
      send({ kind: 'facts', digest, facts: { ...facts, labels: labelsOf(options.labels) } });
    } catch (error) {
      log.warn('the facts of this machine could not be read', { error });
    }
  }

  /** Looks from time to time, until the signal. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock, options } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(options.factsEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const known = this.digest;
      const { digest } = await readFacts().catch(() => ({ digest: known }));
      if (digest !== known) await this.tell();
    }
  }
}
