/**
 * Verification (AU-7): walks a chain from its first row, its stub or a given seq, computes every hash anew and names the
 * first row that is not as it was written. Heads signed in checkpoints, from the store or kept elsewhere, must lie on
 * the chain: that finds a cut tail, and a chain made anew with the audit key.
 *
 * Pages of 500 rows, a turn of the loop after each. labd does it in a thread of its own (`reading`, ST-5).
 */
import type { Store } from '@labmesh/store/store';
import type { VerifyKeys } from '../audit-keys.ts';
import { type AuditRecord, firstPrevHash } from '../audit-row.ts';
import { auditPageRows, findMoved, type Head, readChain } from '../audit-store.ts';
import { belongs, type ChainFault, classify, movedFrom } from './chain-checker.ts';
import { openStub, readCheckpointFile, type Signed } from '../checkpoints.ts';
import { type KnownHead, outsideHeads, storedHeads } from './known-heads.ts';
import { chainsToVerify, readStub } from '../stubs.ts';

/** `rows` were checked, from `fromSeq` to `toSeq` (0 when there were none). */
export type ChainReport = { chain: string; rows: number; fromSeq: number; toSeq: number; fault: ChainFault | null };

export type VerifySource = { store: Store; keys: VerifyKeys };
export type VerifyOptions = {
  /** First seq to check; the row before is taken as it stands. Default: the beginning. */
  from?: number | undefined;
  /** Last seq to check. Default: the end, which heads must not lie beyond. */
  to?: number | undefined;
  /** Checkpoints kept outside the store. */
  checkpoints?: readonly Signed[];
  /** The end of the chain as its appender knows it. */
  head?: Head | undefined;
};

type Start = { seq: number; prevHash: string } | ChainFault;

/** Where to begin, and the hash before. */
async function startOf({ store, keys }: VerifySource, chain: string, from: number): Promise<Start> {
  const signed = await readStub(store, chain);
  let start = { seq: 1, prevHash: firstPrevHash(chain) };
  if (signed !== undefined) {
    const stub = openStub(keys, signed);
    if (stub === false || stub === undefined || stub.chain !== chain) return { seq: 1, kind: 'wrong-key' };
    start = { seq: stub.seq + 1, prevHash: stub.hash };
  }
  if (from <= start.seq) return start;
  const [before] = await readChain(store, chain, from - 1, 1);
  // Without the row before, the first one's own word is taken.
  const prevHash = before?.seq === from - 1 ? before.hash : before?.prevHash;
  return { seq: from, prevHash: prevHash ?? '' };
}

class Walk {
  readonly #source: VerifySource;
  readonly #chain: string;
  readonly #to: number;
  readonly #stored: AsyncGenerator<KnownHead>;
  #storedDone = false;
  /** Heads beyond the rows read so far: read from the store, and known beforehand. */
  #ahead: KnownHead[] = [];
  #given: KnownHead[];
  /** The last seq that a head vouches for. */
  #vouched: number;
  seq: number;
  prevHash: string;
  readonly first: number;

  constructor(source: VerifySource, chain: string, start: { seq: number; prevHash: string }, options: VerifyOptions) {
    const { checkpoints = [], head, to = Infinity } = options;
    this.#source = source;
    this.#chain = chain;
    this.#to = to;
    this.#stored = storedHeads(source.store, source.keys, chain);
    this.#given = outsideHeads(source.keys, chain, checkpoints);
    if (head !== undefined) this.#given.push({ ...head, at: Infinity, genuine: true });
    this.first = start.seq;
    this.seq = start.seq;
    this.prevHash = start.prevHash;
    this.#vouched = start.seq - 1;
  }

  /** Checks rows and heads to the end. */
  async run(): Promise<ChainFault | null> {
    const { store, keys } = this.#source;
    for (;;) {
      const page = await readChain(store, this.#chain, this.seq);
      const rows = page.filter((row) => row.seq <= this.#to);
      const start = this.seq;
      for (const row of rows) {
        if (!belongs(keys, this.seq, this.prevHash, row)) {
          // Another replica may have made a new key meanwhile.
          if (keys.chainKey(row.keyId) === undefined) await keys.reload();
          if (!belongs(keys, this.seq, this.prevHash, row)) return this.#fault();
        }
        this.seq++;
        this.prevHash = row.hash;
      }
      const fault = await this.#checkHeads(start, rows);
      if (fault !== undefined) return fault;
      if (this.seq > this.#to) return null;
      if (rows.length === 0) return this.#cutTail();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The row at `seq` is wrong: what happened is read from the rows around, or from its own row far away. */
  async #fault(): Promise<ChainFault> {
    const { store, keys } = this.#source;
    const { seq, prevHash } = this;
    const before = await readChain(store, this.#chain, Math.max(1, seq - auditPageRows));
    const after = await readChain(store, this.#chain, seq);
    const kind = classify(keys, seq, prevHash, [...before.filter((row) => row.seq < seq), ...after]);
    if (kind === 'reordered' || kind === 'wrong-key') return { seq, kind };
    const moved = await findMoved(
      store,
      this.#chain,
      prevHash,
      (row) => row.seq !== seq && movedFrom(keys, seq, prevHash, row),
    );
    return { seq, kind: moved ? 'reordered' : kind };
  }

  /** Compares the heads that lie on rows read by now. */
  async #checkHeads(start: number, rows: readonly AuditRecord[]): Promise<ChainFault | undefined> {
    await this.#pull(rows.length === 0 ? Infinity : this.seq);
    const reached = [...this.#ahead, ...this.#given].filter((head) => head.seq < this.seq);
    this.#ahead = this.#ahead.filter((head) => head.seq >= this.seq);
    this.#given = this.#given.filter((head) => head.seq >= this.seq);
    for (const head of reached.toSorted((a, b) => a.seq - b.seq)) {
      if (head.seq < this.first) continue;
      if (!head.genuine) return { seq: head.seq, kind: 'wrong-key' };
      const row = rows[head.seq - start] ?? (await readChain(this.#source.store, this.#chain, head.seq, 1))[0];
      if (row?.hash !== head.hash) return this.#replaced(head);
      this.#vouched = Math.max(this.#vouched, head.seq);
    }
    return undefined;
  }

  /** Reads stored heads until one lies at or beyond `seq`. */
  async #pull(seq: number): Promise<void> {
    while (!this.#storedDone && !this.#ahead.some((head) => head.seq >= seq)) {
      const next = await this.#stored.next();
      if (next.done === true) this.#storedDone = true;
      else this.#ahead.push(next.value);
    }
  }

  /**
   * The rows hold together, but a signed head says otherwise: the tail was cut and the chain went on from there (rows
   * younger than the checkpoint stand in its place), or it was made anew with the audit key; then nothing after the
   * last good head is sure.
   */
  async #replaced(head: KnownHead): Promise<ChainFault> {
    const unsure = this.#vouched + 1;
    for (let from = unsure; from <= head.seq; from += auditPageRows) {
      const rows = await readChain(this.#source.store, this.#chain, from);
      const younger = rows.find((row) => row.seq <= head.seq && row.at > head.at);
      if (younger !== undefined) return { seq: younger.seq, kind: 'truncated' };
    }
    return { seq: unsure, kind: 'edited' };
  }

  /** No rows are left; heads beyond them tell of rows that were there. */
  #cutTail(): ChainFault | null {
    const beyond = [...this.#ahead, ...this.#given].filter((head) => head.seq >= this.seq);
    if (beyond.length === 0) return null;
    return { seq: this.seq, kind: beyond.some((head) => head.genuine) ? 'truncated' : 'wrong-key' };
  }
}

/** Verifies one chain. @throws FleetError STORE_UNAVAILABLE. */
export async function verifyChain(
  source: VerifySource,
  chain: string,
  options: VerifyOptions = {},
): Promise<ChainReport> {
  const start = await startOf(source, chain, options.from ?? 1);
  if ('kind' in start) return { chain, rows: 0, fromSeq: start.seq, toSeq: 0, fault: start };
  const walk = new Walk(source, chain, start, options);
  const fault = await walk.run();
  const rows = walk.seq - start.seq;
  return { chain, rows, fromSeq: start.seq, toSeq: rows === 0 ? 0 : walk.seq - 1, fault };
}

export type VerifyReport = { ok: boolean; chains: ChainReport[] };
export type VerifyRequest = {
  chain?: string | undefined;
  from?: number | undefined;
  /** Text of a checkpoint file. */
  checkpoint?: string | undefined;
  /** Ends of chains as their appenders in this process know them. */
  heads?: ReadonlyMap<string, Head>;
};

/**
 * Verifies the chain named, or all that rows, stubs and checkpoints know of.
 * @throws FleetError VALIDATION_FAILED for a file without checkpoints, STORE_UNAVAILABLE.
 */
export async function verifyAudit(source: VerifySource, request: VerifyRequest = {}): Promise<VerifyReport> {
  const checkpoints = request.checkpoint === undefined ? [] : readCheckpointFile(request.checkpoint);
  const names = request.chain === undefined ? await chainsToVerify(source.store, checkpoints) : [request.chain];
  const chains: ChainReport[] = [];
  for (const chain of names) {
    const head = request.heads?.get(chain);
    chains.push(await verifyChain(source, chain, { from: request.from, checkpoints, head }));
  }
  return { ok: chains.every(({ fault }) => fault === null), chains };
}
