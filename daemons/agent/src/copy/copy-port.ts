/** What a copy works on: the channel's bytes, here or in the helper that works as another account. */
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import type { OpenOf } from '@labmesh/wire/frame/open';
import { errnoOf, errnoText, Refused } from '../session-run.ts';
import { CopyStreamError } from '@labmesh/wire/frame/copy-record';

export type CopyOpen = OpenOf<'copy-in'> | OpenOf<'copy-out'>;

export type CopyPort = {
  /** Stream `in`. */
  input: AsyncIterable<Uint8Array>;
  /** Stream `out`. Resolves when the bytes are on their way. */
  write(bytes: Uint8Array): Promise<void>;
  /** A line on stream `err`: something was left out. Control characters are escaped. */
  warn(text: string): Promise<void>;
};

/** `copied`: what arrived or was sent; absent when that was not all there was to come. */
export type CopyEnd = { reason: CloseReason; text: string; copied?: Exit['copied'] };

/** A copy that is ready to go. `run` throws what `copyEnd` understands. */
export type PreparedCopy = {
  answer: { offset?: number };
  run(port: CopyPort): Promise<CopyEnd>;
  /** Frees what is open when `run` is never called. */
  dispose(): Promise<void>;
};

/** How an error of a copy is told: refusals as they are, system errors without path. */
export function copyEnd(error: unknown): CopyEnd {
  if (error instanceof Refused) return { reason: error.reason, text: error.message };
  if (error instanceof CopyStreamError) return { reason: 'protocol', text: error.message };
  if (errnoOf(error) === 'ENOENT') return { reason: 'not-found', text: errnoText(error) };
  if (errnoOf(error) !== '') return { reason: 'io', text: errnoText(error) };
  return { reason: 'internal', text: '' };
}

/** File names go to terminals: nothing in them may move a cursor. */
export const escapedName = (name: string): string => JSON.stringify(name).replace(/[\u007f-\u009f]/g, '?');
