/** Exchanges of our end with another program over loopback: which keys come out, in which dialect, and when. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Bench } from './make-bench.ts';
import type { Dialect } from './our-end.ts';
import type { RunningEnd } from './running-end.ts';
import { makeSides, type Sides, type SidesOptions, startOurs, startTheirs } from './sides.ts';
import { seconds, shortHash } from './transcript.ts';

type Case = {
  title: string;
  begins: 'ours' | 'theirs';
  dialect: Dialect;
  how: 'file' | 'arguments';
  isSwapped?: boolean;
  hasPresharedKey?: boolean;
};

const auto: Dialect = { version: 'auto', ciphertext: 'auto' };
/** What every release speaks. */
const release = 'V02 pc188';

export const cases: readonly Case[] = [
  { title: 'ours begins', begins: 'ours', dialect: auto, how: 'arguments' },
  { title: 'theirs begins', begins: 'theirs', dialect: auto, how: 'arguments' },
  { title: 'ours begins, preshared key', begins: 'ours', dialect: auto, how: 'file', hasPresharedKey: true },
  { title: 'theirs begins, preshared key', begins: 'theirs', dialect: auto, how: 'file', hasPresharedKey: true },
  { title: 'ours begins, each with keys of the other', begins: 'ours', dialect: auto, how: 'file', isSwapped: true },
  {
    title: 'theirs begins, each with keys of the other',
    begins: 'theirs',
    dialect: auto,
    how: 'file',
    isSwapped: true,
  },
  {
    title: 'ours begins, pinned to V02 pc188',
    begins: 'ours',
    dialect: { version: 'V02', ciphertext: 'pc188' },
    how: 'file',
  },
];

/** X6 takes 3 s to V02; the rest is for a busy machine. */
const exchangeMs = 30_000;
/** 120 s as responder, 130 s as initiator, and an answer. */
const timerMs = 150_000;
/** Two ends that exchange twice in a row tell of their last key within this time. */
const settleMs = 3_000;

const randomKey = () => randomBytes(32).toString('base64');

export function makeCase(bench: Bench, { begins, isSwapped, hasPresharedKey, title }: Case): Promise<Sides> {
  const { ours, theirs, oursExported } = bench.pairs;
  const shared = randomKey();
  const options: SidesOptions = {
    ...(isSwapped === true ? { ours: theirs, theirs: oursExported } : { ours, theirs }),
    begins,
    presharedKeys: hasPresharedKey === true ? { ours: shared, theirs: shared } : undefined,
  };
  return makeSides(join(bench.folder, title.replaceAll(/\W+/g, '-')), options);
}

/** Both ends, and how many keys each has given so far. */
export class Pairing implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #sides: Sides;
  readonly #case: Case;
  readonly #ours: RunningEnd;
  #theirs: RunningEnd;
  #lastKey = '';

  constructor(bench: Bench, sides: Sides, one: Case) {
    this.#bench = bench;
    this.#sides = sides;
    this.#case = one;
    this.#theirs = startTheirs(bench.program, sides, one.how);
    this.#ours = startOurs(sides, one.dialect);
  }

  first(): Promise<void> {
    return this.#next('first exchange', exchangeMs, () => undefined);
  }

  /** Another at once: ours is told to, theirs is started anew. */
  again(): Promise<void> {
    const { begins, how } = this.#case;
    if (begins === 'ours') return this.#next('again, on demand', exchangeMs, () => this.#ours.say('exchange'));
    return this.#next('again, theirs restarted', exchangeMs, async () => {
      await this.#theirs[Symbol.asyncDispose]();
      this.#theirs = startTheirs(this.#bench.program, this.#sides, how);
    });
  }

  /** Another when the clock of either says so. */
  later(): Promise<void> {
    return this.#next('again, by timer', timerMs, () => undefined);
  }

  async #next(what: string, timeoutMs: number, begin: () => unknown): Promise<void> {
    const { transcript } = this.#bench;
    const title = `${this.#case.title}: ${what}`;
    const began = performance.now();
    const ourKeys = this.#ours.keys.length;
    await begin();
    const theirKeys = this.#theirs.keys.length;
    try {
      await Promise.all([
        this.#ours.until('ours', timeoutMs, ({ keys }) => keys.length > ourKeys),
        this.#theirs.until('theirs', timeoutMs, ({ keys }) => keys.length > theirKeys),
      ]);
    } catch (error) {
      return transcript.check(false, title, String(error));
    }
    const took = performance.now() - began;
    const { isRight, found } = await this.#compare();
    transcript.check(isRight, title, `${seconds(took)}, ${found}`);
  }

  async #compare(): Promise<{ isRight: boolean; found: string }> {
    const last = (end: RunningEnd) => end.keys.at(-1)?.keyText ?? '';
    const isSame = () => last(this.#ours) === last(this.#theirs);
    if (!isSame()) await this.#ours.until('', settleMs, isSame).catch(() => undefined);
    const [ourKey, theirKey] = [last(this.#ours), last(this.#theirs)];
    const isFresh = ourKey !== this.#lastKey;
    this.#lastKey = ourKey;
    const spoke = this.#ours.lines.findLast((line) => line.startsWith('spoke '))?.slice('spoke '.length) ?? '';
    const found = `${spoke}, key ${shortHash(ourKey)} = ${shortHash(theirKey)}`;
    const ids = this.#idsAgree();
    const isRight = isSame() && isFresh && ids && Buffer.from(ourKey, 'base64').length === 32;
    return { isRight: isRight && spoke.startsWith(release), found: `${found}${ids ? '' : ', PEER IDS DIFFER'}` };
  }

  /** Each calls the other by the same name as we would. */
  #idsAgree(): boolean {
    const { ours, theirs } = this.#sides;
    const named = (end: RunningEnd) => end.keys.at(-1)?.peerId;
    const { peerIdOf } = this.#bench;
    const publicKey = (side: Sides['ours']) => side.keyPair?.publicKey ?? '';
    return named(this.#ours) === peerIdOf(publicKey(theirs)) && named(this.#theirs) === peerIdOf(publicKey(ours));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#ours[Symbol.asyncDispose](), this.#theirs[Symbol.asyncDispose]()]);
  }
}
