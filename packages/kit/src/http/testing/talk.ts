import type { Socket } from 'bun';

/** A bare TCP client for tests: what it sends and receives is exactly what is written here. */
export type Talk = {
  received: () => string;
  send: (bytes: string | Uint8Array) => void;
  /** Resolves when `text` has come; rejects after `timeoutMs`. */
  until: (text: string, timeoutMs?: number) => Promise<string>;
  /** Resolves when the other side closed. */
  closed: Promise<void>;
  end: () => void;
  pause: () => void;
  resume: () => void;
  socket: Socket;
};

export async function talk(port: number): Promise<Talk> {
  let text = '';
  const closed = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data: (_, bytes) => void (text += bytes.toString('latin1')),
      close: () => closed.resolve(),
      end: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  });
  return {
    received: () => text,
    send: (bytes) => void socket.write(bytes),
    until: async (wanted, timeoutMs = 3_000) => {
      const until = performance.now() + timeoutMs;
      while (!text.includes(wanted)) {
        if (performance.now() > until)
          throw new Error(`no ${JSON.stringify(wanted)} in ${JSON.stringify(text.slice(0, 500))}`);
        await Bun.sleep(2);
      }
      return text;
    },
    closed: closed.promise,
    end: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    socket,
  };
}

export const wait = async (condition: () => boolean, timeoutMs = 3_000): Promise<void> => {
  const until = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`not in time: ${condition.toString()}`);
    await Bun.sleep(2);
  }
};
