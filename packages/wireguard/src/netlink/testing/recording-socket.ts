/** A socket that keeps what would be sent and answers with nothing, or with what it is given. */
import { MessageWriter } from '../message-writer.ts';
import type { NetlinkExchange } from '../netlink-socket.ts';
import type { NetlinkMessage } from '../read-messages.ts';

export type RecordingSocket = NetlinkExchange & { sent: Uint8Array[]; answers: NetlinkMessage[] };

export function recordingSocket(firstSeq = 1): RecordingSocket {
  const socket: RecordingSocket = {
    sent: [],
    answers: [],
    exchange: (_operation, build) => {
      const writer = new MessageWriter();
      build(writer, firstSeq + socket.sent.length);
      socket.sent.push(writer.finish());
      return socket.answers;
    },
  };
  return socket;
}
