/**
 * Where each field of a message lies (spec tunnel.md 5.4). Fields are views. A message is read only after `recognize`
 * found its length to be exactly that of its type.
 *
 *     type 1 ‖ zeros 3 ‖ payload ‖ mac 16 ‖ cookie 16
 *
 * InitHello, RespHello and CookieReply exist in two sizes: a `pc188` ciphertext has 188 bytes, an `r4-156` one 156.
 */
import { type CiphertextEncoding, ciphertextBytes } from '../mceliece/parameters.ts';

export const messageType = {
  initHello: 0x81,
  respHello: 0x82,
  initConf: 0x83,
  emptyData: 0x84,
  cookieReply: 0x86,
} as const;

export type MessageName = keyof typeof messageType;

/** A message by its type and length; the ciphertext encoding says nothing for initConf and emptyData. */
export type Recognized = { name: MessageName; ciphertext: CiphertextEncoding };

export const initConfBytes = 176;
export const emptyDataBytes = 64;
/** Without the McEliece ciphertext. A cookie reply is as long as the InitHello it answers. */
const [initHelloRest, respHelloRest] = [904, 944];

export const initHelloBytes = (ciphertext: CiphertextEncoding) => initHelloRest + ciphertextBytes[ciphertext];
export const respHelloBytes = (ciphertext: CiphertextEncoding) => respHelloRest + ciphertextBytes[ciphertext];

const lengths: Readonly<Record<MessageName, (ciphertext: CiphertextEncoding) => number>> = {
  initHello: initHelloBytes,
  respHello: respHelloBytes,
  initConf: () => initConfBytes,
  emptyData: () => emptyDataBytes,
  cookieReply: initHelloBytes,
};

const byType: ReadonlyMap<number, ReadonlyMap<number, Recognized>> = new Map(
  Object.entries(messageType).map(([name, type]) => {
    const length = lengths[name as MessageName];
    const variants = (['r4-156', 'pc188'] as const).map(
      (ciphertext) => [length(ciphertext), { name: name as MessageName, ciphertext }] as const,
    );
    return [type, new Map<number, Recognized>(variants)] as const;
  }),
);

/** The message that this datagram is by type and length, or which of the two is wrong (D1). */
export function recognize(datagram: Uint8Array): Recognized | 'length' | 'type' {
  const type = datagram[0];
  if (type === undefined) return 'length';
  const lengths = byType.get(type);
  if (lengths === undefined) return 'type';
  const found = lengths.get(datagram.length);
  if (found === undefined) return 'length';
  const reservedIsZero = datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0;
  return reservedIsZero ? found : 'type';
}

/** Zeroed but for its type. */
export function blankMessage(name: MessageName, bytes: number): Uint8Array {
  const message = new Uint8Array(bytes);
  message[0] = messageType[name];
  return message;
}

export function initHelloFields(message: Uint8Array) {
  const rest = 808 + message.length - initHelloRest;
  return {
    sidi: message.subarray(4, 8),
    epki: message.subarray(8, 808),
    sctr: message.subarray(808, rest),
    pidiCt: message.subarray(rest, rest + 48),
    auth: message.subarray(rest + 48, rest + 64),
  };
}

export function respHelloFields(message: Uint8Array) {
  const rest = 780 + message.length - respHelloRest;
  return {
    sidr: message.subarray(4, 8),
    sidi: message.subarray(8, 12),
    ecti: message.subarray(12, 780),
    scti: message.subarray(780, rest),
    auth: message.subarray(rest, rest + 16),
    biscuit: message.subarray(rest + 16, rest + 132),
  };
}

export function initConfFields(message: Uint8Array) {
  return {
    sidi: message.subarray(4, 8),
    sidr: message.subarray(8, 12),
    biscuit: message.subarray(12, 128),
    auth: message.subarray(128, 144),
  };
}

export function emptyDataFields(message: Uint8Array) {
  return { sid: message.subarray(4, 8), counter: message.subarray(8, 16), auth: message.subarray(16, 32) };
}

export function cookieReplyFields(message: Uint8Array) {
  return { sid: message.subarray(4, 8), nonce: message.subarray(8, 32), sealed: message.subarray(32, 64) };
}
