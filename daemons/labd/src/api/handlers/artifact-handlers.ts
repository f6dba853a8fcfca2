/** `GET /api/agent/artifacts/:version/:arch`: the file of a release, whole or from a byte on (AG-8, RFC 9110 section 14). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Release, Releases } from '../../reconcile/releases.ts';
import type { HandlersOf } from '../handler.ts';

export type ArtifactHandlerParts = { updates: { releases: Releases } };

/** Files under way at once on this replica: a rollout may be wide, the disk and the network are what they are. */
const downloadsMax = 16;
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

/** The bytes as they are read, piece after piece; `onEnd` once, however it ends. */
function streamOf({ path }: Release, from: number, length: number, onEnd: () => void): ReadableStream<Uint8Array> {
  const reader = Bun.file(path)
    .slice(from, from + length)
    .stream()
    .getReader();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    cancel: async () => {
      onEnd();
      await reader.cancel();
    },
  });
}

export function artifactHandlers({ updates }: ArtifactHandlerParts): HandlersOf<'get-artifact'> {
  let downloads = 0;
  const begin = (): (() => void) => {
    if (downloads >= downloadsMax)
      throw new FleetError('RATE_LIMITED', { message: 'many agents fetch a release now', retryAfterMs });
    downloads++;
    let isOver = false;
    return () => {
      if (!isOver) downloads--;
      isOver = true;
    };
  };
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
      const onEnd = begin();
      call.signal.addEventListener('abort', onEnd, { once: true });
      return new Response(streamOf(release, from, length, onEnd), { status: range === undefined ? 200 : 206, headers });
    },
  };
}
