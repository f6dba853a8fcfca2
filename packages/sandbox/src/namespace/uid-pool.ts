/** Uids that belong to sandboxes alone: each running one has its own, so that the kernel keeps them apart too. */
export const uidsOfSandboxes = 1024;
/** Programs on the way, bwrap among them, keep uids in an int. */
const uidMax = 0x7fffffff;

/**
 * Starts anywhere in the range: two executors of one machine, though that is a mistake, seldom meet. A freed uid is used
 * again last of all.
 */
export class UidPool {
  readonly #base: number;
  readonly #inUse = new Set<number>();
  #next: number;

  /** @throws RangeError for a base that would hand out root's uid, or a number that is no uid. */
  constructor(base: number, random: () => number = Math.random) {
    if (!Number.isSafeInteger(base) || base < 1 || base + uidsOfSandboxes > uidMax) {
      throw new RangeError(`sandbox.uid_base must be 1 to ${uidMax - uidsOfSandboxes}`);
    }
    this.#base = base;
    this.#next = Math.floor(random() * uidsOfSandboxes);
  }

  /** A uid that no other holds; undefined when all are in use. */
  take(): number | undefined {
    for (let tries = 0; tries < uidsOfSandboxes; tries++) {
      const uid = this.#base + (this.#next % uidsOfSandboxes);
      this.#next = (this.#next + 1) % uidsOfSandboxes;
      if (this.#inUse.has(uid)) continue;
      this.#inUse.add(uid);
      return uid;
    }
    return undefined;
  }

  /** True for every uid of the range, in use or not. */
  holds(uid: number): boolean {
    return uid >= this.#base && uid < this.#base + uidsOfSandboxes;
  }

  give(uid: number): void {
    this.#inUse.delete(uid);
  }
}
