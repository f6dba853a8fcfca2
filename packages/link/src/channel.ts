/**
 * One end of a channel: what an exec, copy, forward or log session is written against, on the agent and in labctl. It
 * outlives the socket below it: after a cut both ends go on from the bytes the other one has (HB-6), so whoever uses it
 * sees only a pause.
 *
 * Flow control is end to end (HB-4): `write` resolves once the bytes are inside the other end's window, and credit goes
 * back when the handler of `onData` has resolved. A slow reader therefore stops the writer and nothing in between grows.
 */
import type { CloseReason, SignalName, StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit, Received } from '@labmesh/wire/frame/messages';

export type ChannelEnding = { reason: CloseReason; text: string };

/** `write` after the channel ended. */
export class ChannelClosed extends Error {
  readonly ending: ChannelEnding;
  constructor(ending: ChannelEnding) {
    super(`the channel is closed: ${ending.reason}${ending.text === '' ? '' : ` (${ending.text})`}`);
    this.name = 'ChannelClosed';
    this.ending = ending;
  }
}

export type ChannelHandlers = {
  /** Bytes in order, each once. Credit is given when the promise resolves. The array is the handler's to keep. */
  data?: (stream: StreamId, bytes: Uint8Array) => void | Promise<void>;
  /** No more bytes on `stream`: called after the last `data` resolved. */
  eof?: (stream: StreamId) => void;
  signal?: (name: SignalName) => void;
  resize?: (cols: number, rows: number) => void;
  /** After both output EOFs. */
  exit?: (exit: Exit) => void;
  /** The link below is gone (true) or back (false). */
  cut?: (isCut: boolean) => void;
  /** Last call, once. */
  close?: (ending: ChannelEnding) => void;
};

export interface Channel {
  readonly session: string;
  /** Bytes received and bytes sent, cumulative, by stream. */
  readonly received: Readonly<Received>;
  readonly sent: Readonly<Received>;
  readonly isCut: boolean;
  /** Resolves when it ends, whoever ends it. */
  readonly closed: Promise<ChannelEnding>;
  /** Set once, before anything else; frames that came earlier wait for it. */
  handle(handlers: ChannelHandlers): void;
  /** @throws ChannelClosed. Calls for one stream keep their order. */
  write(stream: StreamId, bytes: Uint8Array): Promise<void>;
  /** Half-close. */
  end(stream: StreamId): void;
  sendSignal(name: SignalName): void;
  sendResize(cols: number, rows: number): void;
  /** Delivered after both outputs' EOF. */
  sendExit(exit: Exit): void;
  /** Delivered after all that was written; ends both directions. */
  close(reason: CloseReason, text?: string): void;
}
