/**
 * What one OPEN becomes on the agent. `open…` functions (one a kind) check and prepare; then the owner of the link
 * sends OPEN_OK with `answer` and hands over the channel. A refusal comes before that, as CLOSE in place of OPEN_OK.
 */
import type { Channel } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';

/** Fields that OPEN_OK carries besides session, token and window. */
export type Answer = {
  /** copy-in: bytes that are here already. */
  offset?: number;
  /** attach: bytes that the ring no longer has. */
  dropped?: number;
};

export type SessionRun = {
  readonly answer: Answer;
  /** The traffic, to its end; it closes the channel itself and ends with it. Never rejects. */
  run(channel: Channel): Promise<void>;
  /** Ends what would outlive the channel: processes are hung up, then killed. */
  end?(): void;
};

/** An OPEN that is not taken: the channel closes with `reason` in place of OPEN_OK. `text` is safe for strangers. */
export class Refused extends Error {
  readonly reason: CloseReason;
  constructor(reason: CloseReason, text: string) {
    super(text);
    this.name = 'Refused';
    this.reason = reason;
  }
}

const errnoTexts: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ELOOP: 'a link stands in the way',
  ENOSPC: 'no space is left',
  EDQUOT: 'the quota is used up',
  EROFS: 'the file system is read-only',
  EEXIST: 'exists already',
  ENAMETOOLONG: 'the name is too long',
  ENOTEMPTY: 'a directory that is not empty stands in the way',
  EXDEV: 'lies on another file system',
  EFBIG: 'the file is too large',
  EIO: 'an input or output error',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  ENOMEM: 'no memory',
  E2BIG: 'the argument list is too long',
  ENOEXEC: 'not a program that this machine can run',
  ETXTBSY: 'the file is being run',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'no answer in time',
  EADDRNOTAVAIL: 'the address is not available',
};

export const errnoOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** What a system error means, without path or address. */
export const errnoText = (error: unknown): string => errnoTexts[errnoOf(error)] ?? 'an unexpected error';
