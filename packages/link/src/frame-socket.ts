/** What a Link needs from a WebSocket: whole binary messages, a look at what is still unsent, and an end. */
export interface FrameSocket {
  /** Set by the Link that uses it, before the first message can arrive. */
  owner: FrameSocketOwner | undefined;
  /** Bytes given to `send` that the kernel has not taken. */
  readonly bufferedBytes: number;
  /** The message is the socket's until it is sent. Nothing happens after the end. */
  send(message: Uint8Array): void;
  /** Says goodbye with a WebSocket close code and ends, after 2 s by force. */
  close(code: number, reason: string): void;
  /** Ends at once. */
  terminate(): void;
}

export interface FrameSocketOwner {
  /** One binary message. Its memory is the owner's: a relay writes another channel into it. */
  onMessage(message: Uint8Array): void;
  /** `bufferedBytes` has fallen: there may be room again. */
  onDrain(): void;
  /** Last call, once. `code` is 1006 when there was no goodbye. */
  onClose(code: number, reason: string): void;
}
