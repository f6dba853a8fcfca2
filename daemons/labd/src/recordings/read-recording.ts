/**
 * A whole recording for `play` (EX-11): the parts that replicas wrote, one after the other, as one asciicast.
 *
 *     part 0 on A:  head  0.1 o  0.2 o   cut with its replica
 *     part 1 on B:  head  0.3 o  0.1 x
 *     joined:       head  0.1 o  0.2 o  m "…cut"  4.2 r "90x30"  m "labmesh: part 2"  0.3 o  0.1 x
 *
 * The pause between parts is what their rows say about when they began.
 */
import type { Store } from '@labmesh/store/store';
import type { RecordingsTable } from '@labmesh/store/tables';
import { CastReader, eventLine, type CastEvent, type CastHead } from '@labmesh/wire/fleet/asciicast';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import { isInBucket, type RecordingArchive } from './archive/recording-archive.ts';
import { BucketError } from './archive/s3-bucket.ts';
import { damagedRecording, openPart, wholeLines } from './open-part.ts';
import { Overlap } from './overlap.ts';
import type { RecordingFolder } from './recording-folder.ts';
import { ChunkError } from './sealed-chunks.ts';

export type PartSource = Pick<RecordingArchive, 'read'>;

export type ReadOptions = {
  store: Store;
  secrets: Sealer;
  folder: RecordingFolder;
  /** This replica: parts of others are not in our folder. */
  replicaId: string;
  /** The bucket, where there is one. */
  archive?: PartSource | undefined;
  /** Sealed bytes of a part that another replica keeps; undefined when that one is away. */
  fetchPart?: (row: RecordingsTable) => Promise<AsyncIterable<Uint8Array> | undefined>;
};

/** Parts of one session: more would mean a session that changed its replica each minute of a day. */
const partsMax = 1_500;

export async function partsOf(store: Store, principal: Principal, session: string): Promise<RecordingsTable[]> {
  const query = (db: Parameters<Parameters<Store['read']>[1]>[0]) =>
    db
      .selectFrom('recordings')
      .selectAll()
      .where('session_id', '=', session)
      .orderBy('part')
      .orderBy('created_at')
      .limit(partsMax)
      .execute();
  const rows = await store.read(principal, query);
  if (rows.length === 0) throw new FleetError('NOT_FOUND', { message: 'this session has no recording' });
  return rows;
}

/** One part by its id. */
export const findPart = (store: Store, principal: Principal, id: string): Promise<RecordingsTable | undefined> =>
  store.read(principal, (db) => db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst());

/**
 * The sealed bytes of a part that is in our folder, or in the bucket: what `fetchPart` of another replica gets. undefined:
 * not here. @throws BucketError, also while they are read
 */
export async function sealedPart(
  folder: RecordingFolder,
  row: RecordingsTable,
  archive?: PartSource,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const path = folder.find(row.url);
  if (path !== undefined && (await folder.size(path)) !== undefined) return folder.read(path);
  return isInBucket(row) ? archive?.read(row) : undefined;
}

/** The same from wherever it is; one may have been moved since its row was read. */
async function findSealed(row: RecordingsTable, { folder, archive, fetchPart }: ReadOptions) {
  const found = (await sealedPart(folder, row, archive)) ?? (await fetchPart?.(row));
  return found ?? (isInBucket(row) ? undefined : archive?.read(row));
}

const brace = 0x7b;
const encoder = new TextEncoder();
const markLine = (text: string) => encoder.encode(eventLine({ interval: 0, code: 'm', text: `labmesh: ${text}` }));

/** Lines of one part, the `at`-th from 1; what is missing is told by a marker. @throws FleetError when it was changed. */
async function* partLines(row: RecordingsTable, at: number, options: ReadOptions): AsyncGenerator<Uint8Array> {
  try {
    const sealed = await findSealed(row, options);
    const place = isInBucket(row) ? 'the bucket, which lacks it' : `replica ${row.replica_id}, which is away`;
    if (sealed === undefined) return yield markLine(`part ${at} is on ${place}`);
    yield* wholeLines(openPart(row, sealed, options.secrets));
  } catch (error) {
    if (error instanceof BucketError) return yield markLine(`part ${at} is in the bucket, which is away`);
    if (!(error instanceof ChunkError)) throw error;
    // A part that ended well and now lacks its end was shortened.
    if (error.kind === 'damaged' || row.sha256 !== null) throw damagedRecording(error, row.id);
    yield markLine(`part ${at} ends here: its end was not written`);
  }
}

/** How far the joined recording is. */
class Joint {
  /** Its bytes pass as they are. */
  isInside = false;
  #head: CastHead | undefined;
  #reader = new CastReader();
  #startMs = 0;
  #playedS = 0;
  #size = '';
  readonly #overlap = new Overlap();
  /** Time of events that were left out. */
  #heldS = 0;
  /** The stream that the last marker named. */
  #stream = 'stdout';
  /** Which part this is, from 1: the numbers of rows have gaps. */
  #at = 0;

  /** Lines for a part that begins now; its own head is left out. */
  begin(row: RecordingsTable): void {
    this.#reader = new CastReader();
    this.#overlap.begin();
    this.#at++;
    if (this.#head === undefined) this.#startMs = row.created_at;
  }

  *take(row: RecordingsTable, lines: Uint8Array): Generator<string> {
    for (const item of this.#reader.push(lines)) {
      if (item.type === 'event') yield* this.#own(item);
      else yield* this.#part(row, item.head);
    }
  }

  /** An event of a part, without what an earlier one has. */
  *#own(event: CastEvent): Generator<string> {
    const { code } = event;
    const text =
      code === 'm' ? this.#overlap.mark(event.text) : code === 'o' ? this.#overlap.fresh(event.text) : event.text;
    if (text === '' && event.text !== '') return void (this.#heldS += event.interval);
    if (code === 'o' && this.#overlap.stream !== this.#stream)
      yield this.#event({ interval: 0, code: 'm', text: this.#overlap.stream });
    if (code === 'm' && (text === 'stdout' || text === 'stderr')) this.#stream = text;
    yield this.#event({ ...event, text });
  }

  *#part(row: RecordingsTable, head: CastHead): Generator<string> {
    const size = `${head.term.cols}x${head.term.rows}`;
    if (this.#head === undefined) {
      this.#head = head;
      this.#size = size;
      return yield `${JSON.stringify(head)}\n`;
    }
    // Clocks of two replicas differ: no pause is shorter than none.
    const interval = Math.max(0, Math.round(row.created_at - this.#startMs - this.#playedS * 1000) / 1000);
    yield this.#event({ interval, code: 'm', text: `labmesh: part ${this.#at}` });
    if (size !== this.#size) yield this.#event({ interval: 0, code: 'r', text: size });
  }

  #event(event: CastEvent): string {
    // Sums of thousandths must not grow a tail.
    const interval = Math.round((event.interval + this.#heldS) * 1000) / 1000;
    this.#heldS = 0;
    this.#playedS += interval;
    if (event.code === 'r') this.#size = event.text;
    return eventLine({ ...event, interval });
  }

  /** A marker before any head was seen needs one. */
  *gap(row: RecordingsTable, text: Uint8Array): Generator<string> {
    if (this.#head === undefined) {
      const timestamp = Math.floor(row.created_at / 1000);
      yield* this.#part(row, { version: 3, term: { cols: 80, rows: 24 }, timestamp });
    }
    yield new TextDecoder().decode(text);
  }

  get hasHead(): boolean {
    return this.#reader.head !== undefined;
  }
}

/**
 * Asciicast v3 bytes of a session's parts, in pieces of whole lines. A session that still runs is given as far as it is
 * written. @throws FleetError NOT_FOUND; INTERNAL, after all that is intact, for one that was changed.
 */
export async function* readRecording(
  options: ReadOptions,
  principal: Principal,
  session: string,
): AsyncGenerator<Uint8Array> {
  const rows = await partsOf(options.store, principal, session);
  const joint = new Joint();
  for (const [index, row] of rows.entries()) {
    joint.begin(row);
    for await (const lines of partLines(row, index + 1, options)) {
      // One part that is here needs no joining.
      if (rows.length === 1 && (joint.isInside || lines[0] === brace)) {
        joint.isInside = true;
        yield lines;
        continue;
      }
      const isMark = !joint.hasHead && lines[0] !== brace;
      const text = isMark ? [...joint.gap(row, lines)] : [...joint.take(row, lines)];
      if (text.length > 0) yield encoder.encode(text.join(''));
    }
  }
}
