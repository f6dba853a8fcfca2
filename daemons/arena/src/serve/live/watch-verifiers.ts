import type { VerifierView } from '../../verify/verification.ts';

/** Between looks, as long as somebody listens. */
export const lookMs = 5_000;

type Standing = Pick<VerifierView, 'name' | 'status' | 'enabled'>;
type WatchParts = {
  describe: () => Promise<readonly Standing[]>;
  isHeard: () => boolean;
  tell: (changed: Standing[]) => void;
};

const standingOf = ({ name, status, enabled }: Standing): Standing => ({ name, status, enabled });
const textOf = (one: Standing) => JSON.stringify(standingOf(one));

/** Looks whether verifiers came, went or cannot work any more; nothing tells of it by itself. Looks only while it is heard. */
export class VerifierWatch {
  readonly #parts: WatchParts;
  #known: Map<string, string> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
    void this.look();
  }

  /** Never rejects: a look that fails is made again. */
  async look(): Promise<void> {
    if (!this.#parts.isHeard()) return this.#stop();
    const found = await this.#parts.describe().catch(() => undefined);
    if (found === undefined) return;
    const known = this.#known;
    this.#known = new Map(found.map((one) => [one.name, textOf(one)]));
    // The first look has nothing to be held against.
    if (known === undefined) return;
    const changed = found.filter((one) => known.get(one.name) !== textOf(one)).map(standingOf);
    if (changed.length > 0 || known.size > found.length) this.#parts.tell(changed);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#known = undefined;
  }
}
