/** Loopback between two ends that does to their datagrams what a test wants; either end dials its own side of it. */
export type Side = 'ours' | 'theirs';

/** Whether a datagram comes through; when its promise says so. */
type Treat = (bytes: Uint8Array, from: Side) => boolean | Promise<boolean>;

const hostname = '127.0.0.1';

export class Line implements Disposable {
  readonly #treat: Treat;
  readonly #stack = new DisposableStack();
  /** Where each end was heard last. */
  #ends: Record<Side, number> = { ours: 0, theirs: 0 };
  #sockets: Record<Side, Bun.udp.Socket<'uint8array'>> | undefined;

  constructor(treat: Treat) {
    this.#treat = treat;
  }

  /** @param listening ports of the ends. Gives the port that each has to dial. */
  readonly between = async (listening: Record<Side, number>): Promise<Record<Side, number>> => {
    this.#ends = { ...listening };
    const [ours, theirs] = [await this.#open('ours'), await this.#open('theirs')];
    this.#sockets = { ours, theirs };
    return { ours: ours.port, theirs: theirs.port };
  };

  async #open(side: Side): Promise<Bun.udp.Socket<'uint8array'>> {
    const socket = await Bun.udpSocket({
      hostname,
      binaryType: 'uint8array',
      socket: {
        data: (_, bytes, port) => void this.#carry(bytes.slice(), side, port),
        // ECONNREFUSED: the other end is not there yet.
        error: () => undefined,
      },
    });
    this.#stack.defer(() => socket.close());
    return socket;
  }

  async #carry(bytes: Uint8Array, from: Side, port: number): Promise<void> {
    this.#ends[from] = port;
    const to = from === 'ours' ? 'theirs' : 'ours';
    const passes = await this.#treat(bytes, from);
    if (passes && !this.#stack.disposed) this.#sockets?.[to].send(bytes, this.#ends[to], hostname);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}
