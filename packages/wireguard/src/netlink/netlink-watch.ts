/** Messages of the kernel's multicast groups, as they come. The event loop waits on the socket: an idle watch costs nothing. */
import { type NetlinkMessage, readMessages } from './read-messages.ts';

export class NetlinkWatch implements Disposable {
  readonly #socket: Bun.Socket;
  readonly #state: { ended: boolean };

  private constructor(socket: Bun.Socket, state: { ended: boolean }) {
    this.#socket = socket;
    this.#state = state;
  }

  /**
   * @param fd of `openNetlink` with groups; taken over.
   * @param onLost the watch ended by itself, for more came than the kernel keeps: all must be looked at, and another
   * watch opened.
   */
  static async open(
    fd: number,
    onMessages: (messages: NetlinkMessage[]) => void,
    onLost: () => void,
  ): Promise<NetlinkWatch> {
    const state = { ended: false };
    const close = () => {
      if (!state.ended) onLost();
      state.ended = true;
    };
    const data = (_socket: unknown, datagram: Uint8Array) => {
      if (!state.ended) onMessages(readMessages(datagram.slice()));
    };
    const options: Bun.FdSocketOptions = { fd, socket: { data, close, error: () => {} } };
    // The runtime takes a descriptor, its types have forgotten that way of calling.
    const socket = await Bun.connect(options as unknown as Bun.UnixSocketOptions);
    // The tunnel must not keep a process alive that has nothing else to do.
    socket.unref();
    return new NetlinkWatch(socket, state);
  }

  get ended(): boolean {
    return this.#state.ended;
  }

  [Symbol.dispose](): void {
    if (this.#state.ended) return;
    this.#state.ended = true;
    this.#socket.terminate();
  }
}
