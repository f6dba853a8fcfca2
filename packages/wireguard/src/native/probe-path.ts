/**
 * How large a datagram reaches a place in one piece: sent with "do not fragment", so that the own link or a router on the
 * way refuses what is too large. A router that drops in silence cannot be told from one that has nothing to say.
 */
import { isIPv6 } from 'node:net';
import { errnoName, errnos, libc } from '../ffi/libc.ts';
import type { Endpoint } from '../tunnel-device.ts';

const ipLevel = 0;
const ipv6Level = 41;
const discover = { ip: 10, ipv6: 23 };
/** Never fragment, and refuse what a router has refused before. */
const always = 2;

/** For an answer of a router to come. */
const refusalWaitMs = 400;
/** What every link of IPv4 takes, less its heads. */
const leastBytes = 548;

export type PathProbe =
  | { kind: 'fits' }
  /** `bytes`: the largest that the way is known to take. */
  | { kind: 'too_large'; bytes: number }
  /** errno name of a send that could not leave, or of a refusal that came back. */
  | { kind: 'unreachable'; reason: string };

type Sent = 'sent' | 'too large' | { reason: string };

/** Junk to a port where nobody answers strangers; `bytes`: UDP payload. */
export async function probePath({ address, port }: Endpoint, bytes: number): Promise<PathProbe> {
  const isV6 = isIPv6(address);
  let refused: string | undefined;
  // Without a way there it throws at once.
  const opening = Promise.try(Bun.udpSocket, {
    ...(isV6 && { hostname: '::' }),
    connect: { hostname: address, port },
    // What a router says of the size comes as an error of the socket as well; the next send tells it. The runtime gives
    // the error first, its types say second.
    socket: { error: (...told: unknown[]) => void (refused ??= refusalIn(told)) },
  });
  const socket = await opening.catch((error: unknown) => refusalIn([error]) ?? 'refused');
  if (typeof socket === 'string') return { kind: 'unreachable', reason: socket };
  try {
    const send = unfragmented(socket, isV6);
    let sent = send(bytes);
    if (sent === 'sent') {
      await Bun.sleep(refusalWaitMs);
      sent = send(bytes);
    }
    if (sent === 'too large') return { kind: 'too_large', bytes: largest(send, bytes) };
    if (sent !== 'sent') return { kind: 'unreachable', reason: sent.reason };
    return refused === undefined ? { kind: 'fits' } : { kind: 'unreachable', reason: refused };
  } finally {
    socket.close();
  }
}

/** Sends that many bytes, in one piece or not at all. */
function unfragmented(socket: object, isV6: boolean): (length: number) => Sent {
  const fd = fdOf(socket);
  const [level, option] = isV6 ? [ipv6Level, discover.ipv6] : [ipLevel, discover.ip];
  libc().setsockopt(fd, level, option, Int32Array.of(always), 4);
  return (length) => {
    const payload = new Uint8Array(length);
    // An error that came back for the one before is told once.
    for (let tries = 0; ; tries++) {
      if (libc().send(fd, payload, length, 0) >= 0) return 'sent';
      const errno = libc().errno();
      if (errno === errnos.EMSGSIZE) return 'too large';
      if (errno !== errnos.ECONNREFUSED || tries > 0) return { reason: errnoName(errno) };
    }
  };
}

/** Between what always passes and what did not. */
function largest(send: (length: number) => Sent, tooLarge: number): number {
  let [low, high] = [Math.min(leastBytes, tooLarge - 1), tooLarge];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (send(middle) === 'too large') high = middle;
    else low = middle;
  }
  return low;
}

function refusalIn(told: readonly unknown[]): string | undefined {
  const { code } = (told.find((one) => one instanceof Error) ?? {}) as { code?: string };
  return code === 'EMSGSIZE' ? undefined : (code ?? 'refused');
}

function fdOf(socket: object): number {
  // The runtime has it, its types do not.
  const { fd } = socket as { fd?: unknown };
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new Error('a UDP socket has no descriptor here');
}
