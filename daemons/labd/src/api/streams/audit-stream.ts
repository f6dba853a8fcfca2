/**
 * Rows of the audit log as server-sent events (`/api/logs/audit/:id`, LG-1), oldest first, of one chain or of `all`. An
 * event's id holds a seq per chain, so that a reader that comes back with it as Last-Event-ID misses no row and gets
 * none twice, whichever replica wrote or answers. A reader that does not read costs one page.
 */
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { OperationOf } from '@labmesh/wire/fleet/operations';
import { logTailDefault } from '@labmesh/wire/fleet/resources/logs';
import { type AuditRecord, shownRow } from '../../audit/audit-row.ts';
import { readTailCursor, tailAudit, tailCursor, tailStart } from '../../audit/audit-query.ts';
import type { Call } from '../handler.ts';
import { commentEveryMs, eventStreamOf, lastEventId, sseEvent, stillHere } from './server-sent.ts';

type AuditCall = Call<OperationOf<'stream-audit-log'>>;

const pollMs = 1_000;
/** Of one replica. */
const streamsMax = 64;
const ms = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

/** Whether a row is shown. */
function filterOf(call: AuditCall): (row: AuditRecord, text: string) => boolean {
  const { grep } = call.query;
  const chain = call.params['id'] ?? 'all';
  const [since = -Infinity, until = Infinity] = [ms(call.query.since), ms(call.query.until)];
  return (row, text) =>
    (chain === 'all' || row.chain === chain) &&
    row.at >= since &&
    row.at < until &&
    (grep === undefined || text.includes(grep));
}

/** Where it begins, and up to which rows it goes when it does not follow. */
async function beginning(call: AuditCall, store: Store): Promise<Awaited<ReturnType<typeof tailStart>>> {
  const id = lastEventId(call.headers);
  const since = ms(call.query.since);
  const tail = call.query.tail ?? (since === undefined ? logTailDefault : undefined);
  if (id === undefined) return tailStart(store, { tail, since });
  const start = readTailCursor(id);
  return { start, heads: (await tailStart(store, { tail: 0, since: undefined })).heads };
}

/** The streams of this replica, up to a bound: each asks the store once a second. */
export class AuditStreams {
  readonly #store: Store;
  #open = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws FleetError RATE_LIMITED, VALIDATION_FAILED for a Last-Event-ID that is none, STORE_UNAVAILABLE */
  async open(call: AuditCall): Promise<Response> {
    if (this.#open >= streamsMax) throw new FleetError('RATE_LIMITED', { message: 'too many audit streams' });
    this.#open++;
    let isOpen = true;
    const over = () => {
      if (isOpen) this.#open--;
      isOpen = false;
    };
    try {
      return await auditStream(call, this.#store, over);
    } catch (error) {
      over();
      throw error;
    }
  }
}

async function auditStream(call: AuditCall, store: Store, over: () => void): Promise<Response> {
  const { start: seen, heads } = await beginning(call, store);
  const wanted = filterOf(call);
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  const isThrough = (found: number) =>
    !call.query.follow && (found === 0 || [...heads].every(([chain, seq]) => (seen.get(chain) ?? 0) >= seq));

  /** The events of rows; `seen` goes along, so that each has its own id. */
  function eventsOf(rows: readonly AuditRecord[]): string {
    const events: string[] = [];
    for (const row of rows) {
      seen.set(row.chain, row.seq);
      if (!call.query.follow && row.seq > (heads.get(row.chain) ?? 0)) continue;
      const shown = shownRow(row);
      if (wanted(row, JSON.stringify(shown))) events.push(sseEvent({ id: tailCursor(seen), data: shown }));
    }
    return events.join('');
  }

  async function* lines(): AsyncGenerator<string> {
    try {
      yield* events();
    } finally {
      over();
    }
  }
  async function* events(): AsyncGenerator<string> {
    yield ': labmesh audit log\nretry: 2000\n\n';
    let quietSince = performance.now();
    while (!signal.aborted && (await call.stillMay())) {
      const { items } = await tailAudit(store, tailCursor(seen));
      const text = eventsOf(items);
      if (text !== '') yield text;
      if (isThrough(items.length)) return yield sseEvent({ event: 'end', data: { reason: 'ok', text: '' } });
      if (text !== '') quietSince = performance.now();
      else if (performance.now() - quietSince > commentEveryMs) {
        quietSince = performance.now();
        yield stillHere;
      }
      if (items.length === 0) await Bun.sleep(pollMs);
    }
  }
  const gone = () => {
    ended.abort();
    over();
  };
  return eventStreamOf(lines(), gone);
}
