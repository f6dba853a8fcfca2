/** A WebSocket of a client (RFC 6455), whichever HTTP engine carries it: texts both ways, nothing else. */
export interface MessageSocket {
  /** What was sent and the client has not taken yet, as far as this process holds it. Who sends looks at it. */
  readonly waitingBytes: number;
  /** Nothing happens once it is closed. */
  send(text: string): void;
  /** `onAlive` tells of the answer. */
  ping(): void;
  /** Says goodbye; the connection ends when the client has taken what waits, or for too long did not. */
  close(code: number, reason: string): void;
  /** Cuts the connection. */
  terminate(): void;
}

/** Told nothing more after `onClose`, which comes once, also after a `close` of one's own. */
export type SocketOwner = {
  onMessage(text: string): void;
  /**
   * The client said something: a text (before `onMessage`), a fragment of one, a ping, an answer to one. Once each, save
   * that fragments on Bun.serve are not seen; the owner may close in it.
   */
  onAlive(): void;
  /** The client has taken all that waited. */
  onDrain(): void;
  onClose(): void;
};

/** Larger messages end the connection with 1009. */
export type SocketLimits = { messageBytesMost: number };

/** Of RFC 6455 §7.4.1. */
export const socketCodes = {
  normal: 1000,
  protocol: 1002,
  unsupported: 1003,
  badText: 1007,
  tooLarge: 1009,
} as const;
