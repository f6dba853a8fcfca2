/**
 * A port here that leads to one a server can reach (PF-1): each connection is a channel of its own.
 *
 *     client ──► socket ─in──► channel ─► agent ─► host:port      each end held back by the other's reader,
 *            ◄──        ◄─out─         ◄──       ◄──              half-closed when the other one is
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { ChannelClosed } from '@labmesh/link/channel';
import type { Open } from '@labmesh/wire/frame/open';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import type { KeptChannel } from '../kept-channel.ts';
import { inBrackets, type PortMapping } from './port-mapping.ts';

export type ForwardParts = {
  server: string;
  open: (open: Open, signal: AbortSignal) => Promise<KeptChannel>;
  /** A connection could not be made, or broke: for the person. */
  problem: (error: unknown) => void;
};

/** How long a client may take to end its side once all is said. */
const lingerMs = 1_000;

const systemTexts: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
};

export class Forwarder implements AsyncDisposable {
  readonly mapping: PortMapping;
  readonly #parts: ForwardParts;
  readonly #server: Server;
  readonly #serving = new Map<Socket, Promise<void>>();
  readonly #ending = new AbortController();

  private constructor(mapping: PortMapping, parts: ForwardParts) {
    this.mapping = mapping;
    this.#parts = parts;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const served = this.#serve(socket).finally(() => this.#serving.delete(socket));
      this.#serving.set(socket, served);
    });
  }

  /** Listens. @throws CommandError when the port cannot be had */
  static async listen(mapping: PortMapping, parts: ForwardParts): Promise<Forwarder> {
    const forwarder = new Forwarder(mapping, parts);
    const { bind, local } = mapping;
    try {
      await new Promise<void>((resolve, reject) => {
        forwarder.#server.once('error', reject);
        forwarder.#server.listen(local, bind, resolve);
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CommandError(
        `${inBrackets(bind)}:${local} cannot be listened on: ${systemTexts[code ?? ''] ?? message}`,
        { hint: 'give another LOCAL port; 0 takes any that is free', exitCode: exitCodes.conflict },
      );
    }
    return forwarder;
  }

  get localPort(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get connections(): number {
    return this.#serving.size;
  }

  async #serve(socket: Socket): Promise<void> {
    const { server, open, problem } = this.#parts;
    const { host, port } = this.mapping;
    const left = new AbortController();
    // An error always comes with `close`, which says all that matters.
    socket.on('error', () => {});
    socket.on('close', () => left.abort(new Error('the client left')));
    socket.setNoDelay(true);
    try {
      const wanted: Open = { kind: 'forward', server, host, port, window: frameLimits.windowBytesMax / 4 };
      const channel = await open(wanted, AbortSignal.any([left.signal, this.#ending.signal]));
      await join(socket, channel);
    } catch (error) {
      if (!left.signal.aborted && !this.#ending.signal.aborted) problem(error);
    } finally {
      socket.destroy();
    }
  }

  /** Ends the port and every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error('the port is closed'));
    this.#server.close();
    for (const socket of this.#serving.keys()) socket.destroy();
    await Promise.all(this.#serving.values());
  }
}

/** Both directions to their ends. @throws ChannelClosed when it ended for another reason than both being done */
async function join(socket: Socket, channel: KeptChannel): Promise<void> {
  socket.on('data', (bytes: Uint8Array) => {
    socket.pause();
    channel.write(0, bytes).then(
      () => socket.resume(),
      () => {},
    );
  });
  socket.on('end', () => channel.end(0));
  socket.on('close', () => channel.close('ok'));
  channel.handle({
    data: (stream, bytes) => (stream === 1 ? written(socket, bytes) : undefined),
    eof: (stream) => {
      if (stream === 1) socket.end();
    },
  });
  socket.resume();
  if (socket.destroyed) channel.close('ok');
  const ending = await channel.closed;
  if (ending.reason !== 'ok') throw new ChannelClosed(ending);
  await farewell(socket);
}

/** What was written last is still on its way to the client; a client that never ends its own side is not waited for. */
async function farewell(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const finished = new Promise<void>((resolve) => socket.end(() => resolve()));
  await Promise.race([closed, finished.then(() => Bun.sleep(lingerMs))]);
}

/** Resolves when the system took them; at once when there is nobody any more. */
function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.write(bytes, () => resolve());
  });
}
