/** What stands between two ends: settings that do not agree, a line that loses, two that begin at once. */
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { Line, type Side } from './line.ts';
import type { Bench } from './make-bench.ts';
import type { Dialect } from './our-end.ts';
import type { RunningEnd } from './running-end.ts';
import { makeSides, type Pair, startOurs, startTheirs } from './sides.ts';
import { shortHash } from './transcript.ts';

const auto: Dialect = { version: 'auto', ciphertext: 'auto' };
const release: Dialect = { version: 'V02', ciphertext: 'pc188' };
const [initConf, emptyData] = [0x83, 0x84];

/** For one exchange on a busy machine. */
const exchangeMs = 30_000;
/** Resends of 0.25 to 8 s: a few of them. */
const resendsMs = 10_000;

/** Exchanges that must not come about; ours tells why. */
export const refusals: readonly { title: string; dialect: Dialect; reason: string; isPskWrong?: boolean }[] = [
  { title: 'theirs begins, ours pinned to V03', dialect: { ...auto, version: 'V03' }, reason: 'version' },
  { title: 'theirs begins, ours pinned to r4-156', dialect: { ...auto, ciphertext: 'r4-156' }, reason: 'encoding' },
  { title: 'theirs begins, another preshared key', dialect: auto, reason: 'decaps_auth', isPskWrong: true },
];

export async function checkRefusal(bench: Bench, { title, dialect, reason, isPskWrong }: (typeof refusals)[number]) {
  const { transcript, folder, pairs, program } = bench;
  const key = () => randomBytes(32).toString('base64');
  const presharedKeys = isPskWrong === true ? { ours: key(), theirs: key() } : undefined;
  const place = join(folder, `refusal-${reason}`);
  const sides = await makeSides(place, { ...pairs, begins: 'theirs', presharedKeys });
  await using theirs = startTheirs(program, sides, 'file');
  await using ours = startOurs(sides, dialect);
  const isTold = (line: string) => line.startsWith(`dropped ${reason}`);
  await ours.until(title, exchangeMs, ({ lines }) => lines.some(isTold)).catch(() => undefined);
  const told = ours.lines.find(isTold) ?? `not dropped: ${ours.lines.join('; ')}`;
  transcript.check(isTold(told) && ours.keys.length + theirs.keys.length === 0, title, `no key, ${told}`);
}

const allKeys = (...ends: RunningEnd[]) =>
  new Set(ends.flatMap(({ keys }) => keys).map(({ keyText }) => shortHash(keyText)));

/**
 * The first message of each of the four types is lost: one key comes out all the same, told once by us. The Go program
 * takes a repeated InitConf for a replay and never sends its EmptyData again, which changes no key.
 */
export async function checkLoss(bench: Bench, begins: Side): Promise<void> {
  const { transcript, folder, pairs, program } = bench;
  const [lost, passed] = [new Set<number>(), new Set<number>()];
  using line = new Line(([type = 0]) => {
    const isFirst = !lost.has(type);
    (isFirst ? lost : passed).add(type);
    return !isFirst;
  });
  const sides = await makeSides(join(folder, `loss-${begins}`), { ...pairs, begins, between: line.between });
  await using theirs = startTheirs(program, sides, 'file');
  await using ours = startOurs(sides, release);
  for (let waited = 0; waited < exchangeMs && !passed.has(initConf); waited += 100) await Bun.sleep(100);
  await Bun.sleep(resendsMs);
  const keys = allKeys(ours, theirs);
  const isOver = passed.has(emptyData) || (begins === 'ours' && program.family === 'go-rosenpass');
  const isRight = keys.size === 1 && isOver && ours.keys.length === 1 && theirs.keys.length > 0;
  const told = `key ${[...keys].join(', ')} told once by us, ${theirs.keys.length} times by them`;
  const title = `${begins} begins, the first message of each type is lost`;
  transcript.check(isRight, title, passed.has(emptyData) ? told : `${told}, no EmptyData`);
}

/** Pairs of which the first has the smaller or the bigger fingerprint. */
function pairsInOrder({ pairs }: Bench, isOursSmaller: boolean): Record<Side, Pair> {
  const { ours, theirs, oursExported } = pairs;
  const nameOf = ({ publicKey }: Pair) => fingerprintOf(new Uint8Array(readFileSync(publicKey)));
  if (nameOf(ours) < nameOf(theirs) === isOursSmaller) return { ours, theirs };
  return { ours: theirs, theirs: oursExported };
}

/** Lets nothing through until each has begun, and all of it 0.1 s late from then on. */
function lineOfTwoBeginnings(): Line {
  const begun = new Set<Side>();
  const both = Promise.withResolvers<void>();
  return new Line(async (_, from) => {
    if (begun.size < 2 && begun.has(from)) return false;
    begun.add(from);
    if (begun.size === 2) both.resolve();
    await both.promise;
    await Bun.sleep(100);
    return true;
  });
}

/** Both dial and begin at the same moment: whatever each thought on the way, both end with one key. */
export async function checkGlare(bench: Bench, isOursSmaller: boolean): Promise<void> {
  const { transcript, folder, program } = bench;
  using line = lineOfTwoBeginnings();
  const pairs = pairsInOrder(bench, isOursSmaller);
  const place = join(folder, `glare-${isOursSmaller}`);
  const sides = await makeSides(place, { ...pairs, begins: 'both', between: line.between });
  await using theirs = startTheirs(program, sides, 'file');
  await using ours = startOurs(sides, release);
  await ours.until('a key', exchangeMs, ({ keys }) => keys.length > 0).catch(() => undefined);
  await Bun.sleep(resendsMs);
  const last = ({ keys }: RunningEnd) => shortHash(keys.at(-1)?.keyText ?? '');
  const isRight = last(ours) === last(theirs) && ours.keys.length > 0;
  const title = `both begin at once, fingerprint of ours the ${isOursSmaller ? 'smaller' : 'bigger'}`;
  const count = `${ours.keys.length} and ${theirs.keys.length} told`;
  transcript.check(isRight, title, `key ${last(ours)} = ${last(theirs)}, ${count}`);
}
