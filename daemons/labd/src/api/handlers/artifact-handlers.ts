/** `GET /api/agent/artifacts/:version/:arch`: the file of a release, whole or from a byte on (AG-8, RFC 9110 section 14). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Release, Releases } from '../../reconcile/releases.ts';
import type { HandlersOf } from '../handler.ts';

export type ArtifactHandlerParts = { updates: { releases: Releases } };

/** Files under way at once on this replica: a rollout may be wide, the disk and the network are what they are. */
const downloadsMax = 16;
const perAgentMax = 2;
const stallMs = 60_000;
const retryAfterMs = 5_000;

/** First byte and length wished for by a Range header; undefined: the whole file; null: outside of it. */
export function rangeOf(header: string | null, bytes: number): { from: number; length: number } | undefined | null {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  // A form that we do not take is no error (RFC 9110 section 14.2): the whole file answers it.
  if (first === undefined) return undefined;
  const from = Number(first);
  const end = last === undefined || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  return from >= bytes || end < from ? null : { from, length: end - from + 1 };
}

/**
 * The bytes as they are read, piece after piece; `onEnd` once, however it ends. Who takes nothing for `stallMs` is cut: it
 * would hold a place that others wait for.
 */
function streamOf({ path }: Release, from: number, length: number, onEnd: () => void): ReadableStream<Uint8Array> {
  const reader = Bun.file(path)
    .slice(from, from + length)
    .stream()
    .getReader();
  let timer: NodeJS.Timeout | undefined;
  const end = () => {
    clearTimeout(timer);
    onEnd();
  };
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      clearTimeout(timer);
      try {
        const { done, value } = await reader.read();
        if (done) {
          end();
          return controller.close();
        }
        controller.enqueue(value);
        timer = setTimeout(() => {
          end();
          controller.error(new Error('the reader stands still'));
          void reader.cancel().catch(() => undefined);
        }, stallMs);
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: async () => {
      end();
      await reader.cancel();
    },
  });
}

/** Places for downloads: so many, and few of one agent. */
class Downloads {
  readonly #byAgent = new Map<string, number>();
  #all = 0;

  /** Takes a place; gives what returns it. @throws FleetError RATE_LIMITED. */
  begin(agentId: string): () => void {
    const own = this.#byAgent.get(agentId) ?? 0;
    if (this.#all >= downloadsMax || own >= perAgentMax)
      throw new FleetError('RATE_LIMITED', { message: 'many agents fetch a release now', retryAfterMs });
    this.#add(agentId, 1);
    let isOver = false;
    return () => {
      if (!isOver) this.#add(agentId, -1);
      isOver = true;
    };
  }

  #add(agentId: string, by: 1 | -1): void {
    this.#all += by;
    const own = (this.#byAgent.get(agentId) ?? 0) + by;
    if (own === 0) this.#byAgent.delete(agentId);
    else this.#byAgent.set(agentId, own);
  }
}

export function artifactHandlers({ updates }: ArtifactHandlerParts): HandlersOf<'get-artifact'> {
  const downloads = new Downloads();
  return {
    'get-artifact': async (call) => {
      const { version = '', arch = '' } = call.params;
      const release = await updates.releases.find(version, arch);
      if (release === undefined) throw new FleetError('NOT_FOUND', { message: 'there is no such release here' });
      call.note({ resource: `release/${version}/${arch}` });
      const { bytes, sha256 } = release;
      const tag = { ETag: `"${sha256}"`, 'Accept-Ranges': 'bytes', 'Content-Type': 'application/octet-stream' };
      // A part of another file is of no use: then all of it again.
      const ifRange = call.headers.get('if-range');
      const range = ifRange === null || ifRange === tag.ETag ? rangeOf(call.headers.get('range'), bytes) : undefined;
      if (range === null)
        return new Response(null, { status: 416, headers: { ...tag, 'Content-Range': `bytes */${bytes}` } });
      const { from, length } = range ?? { from: 0, length: bytes };
      const headers = {
        ...tag,
        'Content-Length': String(length),
        ...(range !== undefined && { 'Content-Range': `bytes ${from}-${from + length - 1}/${bytes}` }),
      };
      const onEnd = downloads.begin(call.caller.principal.id);
      call.signal.addEventListener('abort', onEnd, { once: true });
      return new Response(streamOf(release, from, length, onEnd), { status: range === undefined ? 200 : 206, headers });
    },
  };
}
