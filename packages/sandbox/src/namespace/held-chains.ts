/**
 * Chains begun ahead of their jobs, so that a run starts sooner: prlimit and setpriv are over, and in the place of bwrap
 * a program of some lines waits for bwrap's words. It stands outside of any sandbox that is to be, as the uid of one that
 * nobody else has, and knows of no job. bwrap, its namespaces and its cgroup come with the job, as ever.
 *
 *     begun ─ job of the same kind ─▶ taken: its words are given, and it is that job's alone
 *       └─ too old, or another kind is wanted ─▶ ended
 *
 * A chain is begun only when no run is on its way: a machine with work to do spends nothing on work to come. None is
 * begun before the first run, and without one a run starts its own.
 */
import type { Cgroup } from '../cgroup/cgroup.ts';
import type { Cgroups } from '../cgroup/open-cgroups.ts';
import { findProgram } from '../find-program.ts';
import { type ChainProcess, startChainProcess, wordsFd } from '../chain/chain-process.ts';
import type { UidPool } from './uid-pool.ts';

/** What jobs must have in common to use the same chains. */
export type ChainKind = {
  /** Of the chain up to bwrap, for a uid. */
  words: (uid: number | undefined) => readonly string[];
  env: Readonly<Record<string, string>>;
};
export type HeldChain = {
  uid: number | undefined;
  process: ChainProcess;
  /** Of this sandbox alone: the chain is in it, and so all will be that it starts. Undefined where there are none. */
  cgroup: Cgroup | undefined;
};

export type HeldChainsInput = {
  uids: UidPool | undefined;
  cgroups: Cgroups;
  seccompPath: string;
  /** Chains that wait at a time. */
  max?: number;
  /** Until a chain that nobody wants is ended, milliseconds. */
  unusedMs?: number;
};

const usualMax = 2;
const usualUnusedMs = 300_000;

/** Words end with NUL; none means that we are gone. The descriptor is closed before bwrap starts: a job would have it. */
const waiting = `open my $in, '<&=', ${wordsFd} or exit 1; local $/; my @words = split /\\0/, <$in> // '', -1; close $in;
pop @words; exec { $words[0] } @words if @words; exit 1`;

type Waiting = HeldChain & { key: string; timer: Timer; isReady: boolean };

export class HeldChains implements AsyncDisposable {
  readonly #input: HeldChainsInput;
  readonly #waiter: string | undefined;
  readonly #held: Waiting[] = [];
  readonly #ending = new Set<Promise<void>>();
  #running = 0;
  #isClosed = false;

  constructor(input: HeldChainsInput) {
    this.#input = input;
    // Every Debian has it; where it is missing nothing is held.
    this.#waiter = findProgram('perl');
  }

  /** Those that are ready for a job. */
  get size(): number {
    return this.#held.filter(({ isReady }) => isReady).length;
  }

  /** A run begins; the caller owns what it is given. `done` must follow. */
  begin(kind: ChainKind): HeldChain | undefined {
    const key = keyOf(kind);
    this.#running++;
    const found = this.#held.find((one) => one.key === key && one.isReady && !one.process.isGone);
    if (found === undefined) return undefined;
    this.#drop(found);
    return found;
  }

  /** A run is over; chains for others like it are begun when it was the last. Never throws. */
  done(kind: ChainKind): void {
    this.#running--;
    const { max = usualMax } = this.#input;
    if (this.#running > 0 || this.#isClosed || this.#waiter === undefined) return;
    const key = keyOf(kind);
    for (const one of this.#held.filter((other) => other.key !== key)) this.#end(one);
    try {
      while (this.#held.length < max) this.#held.push(this.#start(kind, key, this.#waiter));
    } catch {
      // No descriptors or processes left now: runs start their own chain, or tell why they cannot.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const one of this.#held.toReversed()) this.#end(one);
    await Promise.all(this.#ending);
  }

  #start({ words, env }: ChainKind, key: string, waiter: string): Waiting {
    const { uids, cgroups, seccompPath, unusedMs = usualUnusedMs } = this.#input;
    const uid = uids?.take();
    if (uids !== undefined && uid === undefined) throw new Error('all uids are in use');
    let cgroup: Cgroup | undefined;
    try {
      if (cgroups.version !== 'none') cgroup = cgroups.make();
      // -f: no code of the machine's own is run first.
      const all = [...words(uid), waiter, '-f', '-e', waiting];
      const process = startChainProcess({ words: all, env, seccompPath, owner: uid, takesWords: true });
      const timer = setTimeout(() => this.#end(one), unusedMs);
      const one: Waiting = { uid, process, cgroup, key, timer, isReady: cgroup === undefined };
      one.timer.unref();
      void process.exited.then(() => this.#end(one));
      // The move is what takes long: the job finds it done.
      cgroup?.addInTime(process.pid).then(
        () => (one.isReady = true),
        () => this.#end(one),
      );
      return one;
    } catch (error) {
      void cgroup?.remove();
      if (uid !== undefined) uids?.give(uid);
      throw error;
    }
  }

  #drop(one: Waiting): boolean {
    const at = this.#held.indexOf(one);
    if (at === -1) return false;
    clearTimeout(one.timer);
    this.#held.splice(at, 1);
    return true;
  }

  /** Of one that waits; nothing when it was taken. */
  #end(one: Waiting): void {
    if (!this.#drop(one)) return;
    const work = (async () => {
      await one.process[Symbol.asyncDispose]();
      await one.cgroup?.remove();
      if (one.uid !== undefined) this.#input.uids?.give(one.uid);
    })();
    this.#ending.add(work);
    void work.finally(() => this.#ending.delete(work));
  }
}

/** For no sandbox ever. */
const anyUid = 1;
const keyOf = ({ words, env }: ChainKind) => JSON.stringify([words(anyUid), env]);
