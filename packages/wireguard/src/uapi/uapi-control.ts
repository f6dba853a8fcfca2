/** wireguard-go's own socket. It is attached to, never started (spec tunnel.md R4, 5.8). One connection a request. */
import { connect, type Socket } from 'node:net';
import { errnoName } from '../ffi/libc.ts';
import { checkInterfaceName } from '../isolation/interface-settings.ts';
import { TunnelError } from '../tunnel-device.ts';
import type { DeviceChange, DeviceReading, WireguardControl } from '../wireguard-control.ts';
import { errnoIn, getRequest, readGet, writeSet } from './uapi-text.ts';

const socketFolder = '/var/run/wireguard';
/** Setting a device up takes 8-22 ms; a hub with 20,000 peers answers with some 8 MB. */
const answerWaitMs = 10_000;
const answerBytesMax = 32 * 2 ** 20;

export function uapiSocketPath(interfaceName: string, folder = socketFolder): string {
  return `${folder}/${checkInterfaceName(interfaceName)}.sock`;
}

/** An answer ends in an empty line. */
function isWhole(chunks: readonly Uint8Array[]): boolean {
  const tail = [...(chunks.at(-2)?.slice(-1) ?? []), ...(chunks.at(-1)?.slice(-2) ?? [])];
  return tail.at(-1) === 0x0a && tail.at(-2) === 0x0a;
}

function failed(operation: string, reason: string): TunnelError {
  return new TunnelError('UAPI_FAILED', `wireguard-go, ${operation}: ${reason}`);
}

/** Sends the request and gives all of the answer. The request is zeroed. */
async function ask(path: string, operation: string, request: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const socket: Socket = connect(path);
  socket.setTimeout(answerWaitMs, () => reject(failed(operation, `no answer within ${answerWaitMs} ms`)));
  socket.on('error', (error: NodeJS.ErrnoException) => reject(failed(operation, error.code ?? 'connection failed')));
  socket.on('close', () => reject(failed(operation, 'closed without an answer')));
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > answerBytesMax) reject(failed(operation, `an answer of over ${answerBytesMax} bytes`));
    else if (isWhole(chunks)) resolve(Buffer.concat(chunks));
  });
  socket.write(request);
  try {
    return await promise;
  } finally {
    socket.destroy();
    for (const chunk of chunks) chunk.fill(0);
    request.fill(0);
  }
}

export class UapiControl implements WireguardControl {
  readonly #path: string;

  constructor(interfaceName: string, folder = socketFolder) {
    this.#path = uapiSocketPath(interfaceName, folder);
  }

  /** @throws TunnelError UAPI_FAILED: nobody listens there, or the answer is none. */
  async read(): Promise<DeviceReading> {
    const answer = await ask(this.#path, 'read', getRequest.slice());
    try {
      const errno = errnoIn(answer);
      if (errno !== 0) throw failed('read', errnoName(Math.abs(errno)));
      return readGet(answer);
    } finally {
      answer.fill(0);
    }
  }

  /** @throws TunnelError UAPI_FAILED */
  async write(change: DeviceChange): Promise<void> {
    const answer = await ask(this.#path, 'set', writeSet(change));
    const errno = errnoIn(answer);
    if (errno !== 0) throw failed('set', errnoName(Math.abs(errno)));
  }

  [Symbol.dispose](): void {}
}
