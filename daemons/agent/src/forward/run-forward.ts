/** OPEN forward: one TCP connection from this server (PF-1). It is there before OPEN_OK, or OPEN is refused. */
import type { Channel } from '@labmesh/link/channel';
import type { OpenOf } from '@labmesh/wire/frame/open';
import { errnoText, Refused, type SessionRun } from '../session-run.ts';
import { targetsOf } from './targets.ts';
import { TcpStream } from './tcp-stream.ts';

const connectMs = 10_000;

async function connectAny(addresses: readonly string[], port: number): Promise<TcpStream> {
  const signal = AbortSignal.timeout(connectMs);
  let last: unknown;
  for (const address of addresses) {
    try {
      return await TcpStream.connect(address, port, signal);
    } catch (error) {
      last = error;
    }
  }
  if (signal.aborted) throw new Refused('io', 'no answer in time');
  throw new Refused('io', errnoText(last));
}

/** @throws Refused */
export async function openForward(open: OpenOf<'forward'>): Promise<SessionRun> {
  const stream = await connectAny(await targetsOf(open.host), open.port);
  return { answer: {}, run: (channel) => join(channel, stream) };
}

async function join(channel: Channel, stream: TcpStream): Promise<void> {
  const done = { in: false, out: false };
  channel.end(2);
  const finish = () => {
    if (done.in && done.out) channel.close('ok');
  };
  channel.handle({
    data: (id, bytes) => (id === 0 ? stream.write(bytes) : undefined),
    eof: () => {
      stream.end();
      done.in = true;
      finish();
    },
    close: () => stream.destroy(),
  });
  stream.handle({
    data: (bytes) => channel.write(1, bytes),
    end: () => {
      channel.end(1);
      done.out = true;
      finish();
    },
    close: (error) => {
      if (error === undefined) channel.close('ok');
      else channel.close('io', errnoText(error));
    },
  });
  await channel.closed;
}
