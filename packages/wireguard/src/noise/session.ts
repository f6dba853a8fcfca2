/** A session between two peers: its keys, counters and the data messages under them. */
import { type AeadProvider, nonceBytes, tagBytes } from '../aead/aead-provider.ts';
import type { TransportKeys } from './handshake-state.ts';
import { dataHeaderBytes, messageType, readIndex, writeIndex } from './message-layout.ts';
import { ReplayWindow } from './replay-window.ts';

/** Past this many packets a session asks for its successor (spec tunnel.md 5.9). */
export const rekeyAfterPackets = 2 ** 48;
/** Past this many nothing is sent or taken: counters stay whole numbers and no nonce comes twice. */
const rejectAfterPackets = 2 ** 52;
const padding = 16;

/** Length with its padding: whole blocks of 16, but a full packet stays within the MTU of its link. */
export function paddedLength(length: number, mtu: number): number {
  return Math.max(length, Math.min(Math.ceil(length / padding) * padding, mtu));
}

const nonce = new Uint8Array(nonceBytes);

function writeCounter(target: Uint8Array, at: number, counter: number): void {
  writeIndex(target, at, counter % 2 ** 32);
  writeIndex(target, at + 4, Math.floor(counter / 2 ** 32));
}

export type SessionInput = {
  keys: TransportKeys;
  initiator: boolean;
  localIndex: number;
  remoteIndex: number;
  /** When it got its keys, hence which pre-shared key is in them: monotonic and Unix milliseconds. */
  bornMs: number;
  bornWallMs: number;
};

export class Session {
  readonly initiator: boolean;
  readonly localIndex: number;
  readonly bornMs: number;
  readonly bornWallMs: number;
  readonly #keys: TransportKeys;
  readonly #remoteIndex: number;
  readonly #window = new ReplayWindow();
  #sent = 0;

  constructor(input: SessionInput) {
    this.initiator = input.initiator;
    this.localIndex = input.localIndex;
    this.bornMs = input.bornMs;
    this.bornWallMs = input.bornWallMs;
    this.#keys = input.keys;
    this.#remoteIndex = input.remoteIndex;
  }

  /** Packets sealed so far. */
  get sent(): number {
    return this.#sent;
  }

  /**
   * Seals the packet at `buffer[start, start + length)` where it lies: the header goes into the 16 bytes before it,
   * padding and tag behind it. Gives the length of the whole message, which begins at `start - 16`; 0 when the session
   * has no counters left.
   */
  seal(aead: AeadProvider, buffer: Uint8Array, start: number, length: number, mtu: number): number {
    if (this.#sent >= rejectAfterPackets) return 0;
    const counter = this.#sent;
    this.#sent += 1;
    const padded = paddedLength(length, mtu);
    buffer.fill(0, start + length, start + padded);
    const header = start - dataHeaderBytes;
    buffer[header] = messageType.data;
    buffer[header + 1] = buffer[header + 2] = buffer[header + 3] = 0;
    writeIndex(buffer, header + 4, this.#remoteIndex);
    writeCounter(buffer, header + 8, counter);
    writeCounter(nonce, 4, counter);
    aead.seal(this.#keys.send, nonce, buffer, start, padded);
    return dataHeaderBytes + padded + tagBytes;
  }

  /**
   * Opens a data message where it lies: the packet, with its padding, is then at offset 16. Gives its length, or why it
   * is dropped. Counters are marked for authentic packets only.
   */
  open(aead: AeadProvider, message: Uint8Array): number | 'replay' | 'forged' {
    const high = readIndex(message, 12);
    const counter = high * 2 ** 32 + readIndex(message, 8);
    if (counter >= rejectAfterPackets || !this.#window.mayBeNew(counter)) return 'replay';
    writeCounter(nonce, 4, counter);
    const length = message.length - dataHeaderBytes;
    if (!aead.open(this.#keys.receive, nonce, message, dataHeaderBytes, length)) return 'forged';
    this.#window.mark(counter);
    return length - tagBytes;
  }

  wipe(): void {
    this.#keys.send.fill(0);
    this.#keys.receive.fill(0);
  }
}
