/**
 * `GET /log/…` (verification CT4, CT6, CT7): what anybody needs to verify a certificate, without a key of this gateway: the
 * checkpoint, tiles and entries of the transparency log (c2sp.org/tlog-tiles), the signed list of revocations, and the
 * public keys. An entry holds an id, a hash and a time; no tenant and no text. A full tile that a checkpoint counts on never
 * changes: it is kept, and told to be kept. Everything else is asked for anew when it may have changed, once for all who ask.
 */
import { type Clock, systemClock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient } from '../arena/arena-client.ts';
import { fetchArena } from '../arena/fetch-arena.ts';
import { KeptFiles, type LogFile } from './kept-files.ts';
import { checkpointSize, isCovered, isFull, type LogTile, readTile } from './log-tile.ts';
import { StrangerBounds } from './stranger-bounds.ts';

export const publishedLogRoot = '/log/';

/** The list of revocations is the largest: 4,096 of them, below 2 MiB. */
const bytesMost = 4 * 1024 * 1024;
/** Full tiles: what nobody has to ask the arena for again. */
const fullBounds = { most: 1_024, bytesMost: 24 * 1024 * 1024 };
/** Tiles that are not full, and names that the arena has no file for: they push out each other, and no full tile. */
const passingBounds = { most: 128, bytesMost: 8 * 1024 * 1024 };
/** Tiles that are asked for and not there yet. */
const askingMost = 64;
const timeoutMs = 10_000;
/** An arena that fails, or a file that is not there yet, is not asked about by every stranger anew. */
const missedMs = 5_000;
const yearS = 31_536_000;

type Kind = { path: string; type: string; freshMs: number; cacheControl: string; tile?: LogTile };

const binary = 'application/octet-stream';
const passing = (path: string, type: string, freshS: number): Kind => ({
  path,
  type,
  freshMs: freshS * 1000,
  cacheControl: `public, max-age=${freshS}`,
});
/** Made every second. */
const checkpoint = passing('log/checkpoint', 'text/plain; charset=utf-8', 1);
const fixed: Readonly<Record<string, Kind>> = {
  checkpoint,
  revocations: passing('revocations', 'application/json', 2),
  'trust.json': passing('trust.json', 'application/json', 60),
};

/** What a path below the root stands for; undefined = nothing that is published. */
function kindOf(name: string): Kind | undefined {
  const known = Object.hasOwn(fixed, name) ? fixed[name] : undefined;
  if (known !== undefined) return known;
  const tile = readTile(name);
  if (tile === undefined) return undefined;
  const path = `log/${name}`;
  // One that is not full goes away when it is.
  if (!isFull(tile)) return { ...passing(path, binary, 60), tile };
  const cacheControl = `public, max-age=${yearS}, immutable`;
  return { path, type: binary, freshMs: Infinity, cacheControl, tile };
}

export class PublishedLog {
  readonly #clock: Clock;
  /** Nothing pushes them out. */
  readonly #fixed = new KeptFiles({ most: Object.keys(fixed).length, bytesMost: Infinity });
  readonly #full = new KeptFiles(fullBounds);
  readonly #passing = new KeptFiles(passingBounds);
  /** Whoever asks for one of these waits with the others. */
  readonly #asking = new Map<string, Promise<LogFile>>();
  readonly #bounds = new StrangerBounds();
  /** Of the newest checkpoint that was seen. */
  #size = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** @throws ApiError method_not_allowed, unknown_route, rate_limit_exceeded, verification_unavailable */
  async serve(arena: ArenaClient | undefined, exchange: Exchange, requestId: string): Promise<void> {
    const { method, path, peer } = exchange;
    if (method !== 'GET' && method !== 'HEAD') {
      throw new ApiError('method_not_allowed', { message: `${path.slice(0, 100)} takes GET` });
    }
    const kind = kindOf(path.slice(publishedLogRoot.length));
    if (kind === undefined) throw new ApiError('unknown_route', { message: 'the log has no such file' });
    if (arena === undefined) throw new ApiError('verification_unavailable', { message: 'this gateway has no arena' });
    const isThere = kind.tile === undefined || (await this.#counts(arena, kind.tile, peer, requestId));
    const file = isThere ? await this.#file(arena, kind, peer, requestId) : undefined;
    if (file === undefined) throw new ApiError('unknown_route', { message: 'the log has no such file yet' });
    if (kind === checkpoint) this.#seen(file);
    const headers = [
      ['content-type', kind.type],
      ['cache-control', kind.cacheControl],
      ['etag', file.etag],
      ['x-content-type-options', 'nosniff'],
      ['x-request-id', requestId],
    ] as const;
    const known = exchange.header('if-none-match')?.split(',') ?? [];
    if (known.some((one) => one.trim().replace(/^W\//, '') === file.etag)) return exchange.reply(304, headers, '');
    exchange.reply(200, headers, file.bytes);
  }

  #file(arena: ArenaClient, kind: Kind, peer: string, requestId: string): Promise<LogFile> {
    const now = this.#clock.now();
    const { path, tile } = kind;
    const known = this.#fixed.get(path) ?? this.#full.get(path) ?? this.#passing.get(path);
    if (known !== undefined && known.until > now) return known.file;
    const asked = this.#asking.get(path);
    if (asked !== undefined) return asked;
    // The three that every verifier needs are asked for once in their time, whoever asks: strangers cannot use them up.
    if (tile !== undefined) {
      try {
        this.#bounds.take(peer, now, this.#asking.size < askingMost);
      } catch (error) {
        // What a tile holds does not change while the log is the same.
        if (known?.isThere) return known.file;
        throw error;
      }
    }
    const file = askFile(arena, kind, requestId);
    this.#asking.set(path, file);
    void this.#settle(kind, file, now);
    return file;
  }

  /** Keeps what came, or that nothing did; never rejects. @param askedAt ms of the clock */
  async #settle({ path, tile, freshMs }: Kind, asked: Promise<LogFile>, askedAt: number): Promise<void> {
    const file = await asked.catch(() => undefined);
    // Of a log that is no more.
    if (this.#asking.get(path) !== asked) return;
    this.#asking.delete(path);
    const isThere = file !== undefined;
    const until = isThere ? askedAt + freshMs : this.#clock.now() + missedMs;
    for (const kept of [this.#full, this.#passing]) kept.drop(path);
    const place = tile === undefined ? this.#fixed : isThere && isFull(tile) ? this.#full : this.#passing;
    place.set(path, { file: asked, isThere, bytes: file?.bytes.length ?? 0, until });
  }

  /** Whether a checkpoint that anybody can read counts on the tile; the newest is asked for when the last one does not. */
  async #counts(arena: ArenaClient, tile: LogTile, peer: string, requestId: string): Promise<boolean> {
    if (isCovered(tile, this.#size)) return true;
    this.#seen(await this.#file(arena, checkpoint, peer, requestId));
    return isCovered(tile, this.#size);
  }

  #seen(note: LogFile): void {
    const size = note === undefined ? 0 : (checkpointSize(note.bytes) ?? 0);
    // Another log than before: its tiles are others, those on their way as well.
    if (size < this.#size) for (const held of [this.#full, this.#passing, this.#asking]) held.clear();
    this.#size = size;
  }
}

async function askFile(arena: ArenaClient, { path }: Kind, requestId: string): Promise<LogFile> {
  // The arena answers nobody without a tenant; its log is that of all.
  const payer = { tenant: 'default', key: 'unknown', requestId };
  const { status, bytes } = await fetchArena(arena, payer, { path: `/api/arena/${path}`, bytesMost, timeoutMs });
  if (status === 404) return undefined;
  if (status !== 200) {
    throw new ApiError('verification_unavailable', { log: `${path}: the arena answered with status ${status}` });
  }
  return { bytes, etag: `"${new Bun.CryptoHasher('sha256').update(bytes).digest('hex').slice(0, 32)}"` };
}
