/** Connections by the replica at the other end: one that keeps all of its own for ever takes none of the others'. */
export class ReplicaShares {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False: this replica has as many as it may. Who gets true gives it back once. */
  take(replicaId: string): boolean {
    const open = this.#open.get(replicaId) ?? 0;
    if (open >= this.#max) return false;
    this.#open.set(replicaId, open + 1);
    return true;
  }

  giveBack(replicaId: string): void {
    const left = (this.#open.get(replicaId) ?? 0) - 1;
    if (left > 0) this.#open.set(replicaId, left);
    else this.#open.delete(replicaId);
  }
}
