/**
 * A netlink socket, used synchronously: the kernel answers within the call that sends (about 6 µs a round trip). It
 * stays in the network namespace in which it was opened.
 */
import { errnos, libc } from '../ffi/libc.ts';
import { MessageWriter } from './message-writer.ts';
import { NetlinkError } from './netlink-error.ts';
import { attributeOf, type NetlinkMessage, numberAt, readAttributes, readMessages, textOf } from './read-messages.ts';

export const netlinkProtocols = { route: 0, netfilter: 12, generic: 16 } as const;
export type NetlinkProtocol = keyof typeof netlinkProtocols;

export const requestFlags = {
  request: 0x1,
  ack: 0x4,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

const family = 16;
const raw = 3;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const level = 270;
const options = { joinGroup: 1, extendedAck: 11, strictCheck: 12 };
const types = { error: 2, done: 3 };
const flagCapped = 0x100;
const flagAttributes = 0x200;
const acknowledgedHeader = 16;

/** The kernel makes dumps of at most 32 KiB a datagram. */
const datagramBytesMax = 65_536;
/** A kernel that has not answered by then is stuck (loading a module takes tens of ms). */
const answerWaitMs = 5_000;
/** Of one answer: 20,000 peers in dumps of some hundred each, with room. */
const answerMessagesMax = 100_000;

/** The answer's error, or undefined for an acknowledgement. */
function failureOf(message: NetlinkMessage, operation: string): NetlinkError | undefined {
  const { payload, flags } = message;
  const errno = -(numberAt(payload, 0, 4) | 0);
  if (errno === 0) return undefined;
  if (message.type === types.done) return new NetlinkError(operation, errno);
  const echoed = (flags & flagCapped) === 0 ? numberAt(payload, 4, 4) : acknowledgedHeader;
  const said = (flags & flagAttributes) === 0 ? [] : readAttributes(payload, 4 + ((echoed + 3) & ~3));
  return new NetlinkError(operation, errno, textOf(attributeOf(said, 1)));
}

/** What requests need of a socket. */
export type NetlinkExchange = Pick<NetlinkSocket, 'exchange'>;

function setOption(fd: number, name: number, value: number): number {
  return libc().setsockopt(fd, level, name, Uint32Array.of(value), 4);
}

function prepare(fd: number, protocol: NetlinkProtocol, groups: readonly number[]): void {
  const address = new Uint8Array(12);
  address[0] = family;
  if (libc().bind(fd, address, address.length) < 0) {
    throw new NetlinkError(`bind a netlink socket (${protocol})`, libc().errno());
  }
  // Older kernels know neither; answers are then without text, dumps wider than asked.
  setOption(fd, options.extendedAck, 1);
  if (protocol === 'route') setOption(fd, options.strictCheck, 1);
  for (const group of groups) {
    if (setOption(fd, options.joinGroup, group) < 0) {
      throw new NetlinkError(`watch netlink group ${group} (${protocol})`, libc().errno());
    }
  }
}

/**
 * A descriptor of the caller's network namespace, which never blocks.
 * @param groups multicast groups whose messages it gets.
 * @throws NetlinkError when the kernel has no such protocol or refuses a group.
 */
export function openNetlink(protocol: NetlinkProtocol, groups: readonly number[] = []): number {
  const fd = libc().socket(family, raw | closeOnExec | nonBlocking, netlinkProtocols[protocol]);
  if (fd < 0) throw new NetlinkError(`open a netlink socket (${protocol})`, libc().errno());
  try {
    prepare(fd, protocol, groups);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(datagramBytesMax);
  readonly #writer = new MessageWriter();
  #seq = 0;
  #closed = false;

  /** @throws NetlinkError when the kernel has no such protocol. */
  constructor(protocol: NetlinkProtocol) {
    this.#fd = openNetlink(protocol);
  }

  /**
   * Sends the datagram that `build` writes and gives what came back. `build` takes the number of its first message and
   * gives the number of the last one that asks for an acknowledgement (or for a dump).
   * @throws NetlinkError for the first refusal.
   */
  exchange(operation: string, build: (writer: MessageWriter, seq: number) => number): NetlinkMessage[] {
    // The number of a closed descriptor may be somebody else's by now.
    if (this.#closed) throw new NetlinkError(operation, errnos.EBADF);
    const first = this.#seq + 1;
    let last: number;
    try {
      last = build(this.#writer, first);
    } catch (error) {
      this.#writer.wipe();
      throw error;
    }
    // One behind it may be the mark that ends a batch.
    this.#seq = last + 1;
    this.#send(operation);
    return this.#answer(operation, first, last);
  }

  #send(operation: string): void {
    const datagram = this.#writer.finish();
    const sent = libc().send(this.#fd, datagram, datagram.length, 0);
    const errno = libc().errno();
    const whole = sent === datagram.length;
    // It may have held keys.
    this.#writer.wipe();
    if (!whole) throw new NetlinkError(operation, sent < 0 ? errno : errnos.EIO);
  }

  #answer(operation: string, first: number, last: number): NetlinkMessage[] {
    const collected: NetlinkMessage[] = [];
    for (;;) {
      for (const message of this.#receive(operation)) {
        // What an exchange left that failed half way.
        if (message.seq < first || message.seq > last) continue;
        if (message.type === types.error || message.type === types.done) {
          const failure = failureOf(message, operation);
          if (failure !== undefined) throw failure;
          if (message.seq === last) return collected;
        } else {
          collected.push(message);
        }
        if (collected.length > answerMessagesMax) throw new NetlinkError(operation, errnos.EMSGSIZE);
      }
    }
  }

  /** One datagram of the answer, copied. */
  #receive(operation: string): NetlinkMessage[] {
    for (;;) {
      const length = libc().recv(this.#fd, this.#buffer, datagramBytesMax, 0);
      if (length >= 0) {
        const messages = readMessages(this.#buffer.slice(0, length));
        this.#buffer.fill(0, 0, length);
        return messages;
      }
      const errno = libc().errno();
      if (errno === errnos.EINTR) continue;
      if (errno !== errnos.EAGAIN) throw new NetlinkError(operation, errno);
      this.#wait(operation);
    }
  }

  #wait(operation: string): void {
    const readable = 1;
    const asked = Int32Array.of(this.#fd, readable);
    const ready = libc().poll(asked, 1, answerWaitMs);
    if (ready === 0) throw new NetlinkError(operation, errnos.ETIMEDOUT);
    if (ready < 0 && libc().errno() !== errnos.EINTR) throw new NetlinkError(operation, libc().errno());
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    libc().close(this.#fd);
  }
}
