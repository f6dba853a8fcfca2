/**
 * One TCP connection and one channel between replicas (H6), at either end: bytes go on as they come, each side is held
 * back by the other's reader, and half-closed when the other one is. Whoever breaks off breaks off both.
 *
 *     client ─► socket ─in─► channel ═ peer link ═ channel ─in─► socket ─► node       at most one window (256 KiB)
 *            ◄─        ◄─out─                      ◄─out─        ◄─                   each way waits
 */
import type { Socket } from 'node:net';
import type { Channel, ChannelEnding } from '@labmesh/link/channel';
import { type StreamId, streams } from '@labmesh/wire/frame/frame-types';

/** How long a client may take to end its side once all is said. */
const lingerMs = 5_000;
/** Ending takes two: how long the other replica may take to say that it has heard so, before nobody waits for it. */
const partMs = 10_000;

/** The end that asked sends on `in`; the one with the hub on `out`. */
const directions = {
  asking: { sends: streams.in, gets: streams.out },
  holding: { sends: streams.out, gets: streams.in },
} as const satisfies Record<string, { sends: StreamId; gets: StreamId }>;

export type JoinedChannel = Channel & { abort(reason: 'peer-lost'): void };

/** Resolves when the system took them; at once when there is nobody any more. */
function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.write(bytes, () => resolve());
  });
}

/** Gone at last, also when its client never ends its side. */
function farewell(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
  socket.end();
}

/**
 * Resolves with how it ended: `ok` when both sides had said all. The socket was made with `allowHalfOpen`, may be paused,
 * and is closed then. `count` is told of bytes that came from the socket.
 */
export async function joinSocket(
  side: keyof typeof directions,
  socket: Socket,
  channel: JoinedChannel,
  count: (bytes: number) => void,
): Promise<ChannelEnding> {
  const { sends, gets } = directions[side];
  const done = { sent: false, got: false };
  const finish = () => {
    if (done.sent && done.got) channel.close('ok');
  };
  // An error always comes with `close`, which says all that matters.
  socket.on('error', () => {});
  socket.on('data', (bytes: Uint8Array) => {
    count(bytes.length);
    socket.pause();
    channel.write(sends, bytes).then(
      () => socket.resume(),
      () => {},
    );
  });
  socket.on('end', () => {
    // Bun tells of an end when we reset the socket ourselves, too; passed on, it would make a part look like the whole.
    if (socket.destroyed) return;
    channel.end(sends);
    done.sent = true;
    finish();
  });
  socket.on('close', () => {
    channel.close(done.sent && done.got ? 'ok' : 'cancelled');
    const timer = setTimeout(() => channel.abort('peer-lost'), partMs);
    void channel.closed.then(() => clearTimeout(timer));
  });
  channel.handle({
    data: (stream, bytes) => (stream === gets ? written(socket, bytes) : undefined),
    eof: (stream) => {
      if (stream !== gets) return;
      socket.end();
      done.got = true;
      finish();
    },
    // TCP cannot go on elsewhere: nobody comes back to it.
    cut: (isCut) => {
      if (isCut) channel.abort('peer-lost');
    },
  });
  if (channel.isCut) channel.abort('peer-lost');
  if (socket.destroyed) channel.close('cancelled');
  socket.resume();
  const ending = await channel.closed;
  if (ending.reason === 'ok') farewell(socket);
  // A reset, so that nobody takes what came so far for the whole.
  else socket.resetAndDestroy();
  return ending;
}
