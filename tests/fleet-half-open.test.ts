/**
 * Ten thousand connections that begin and say no more, at the doors of agents and of clients (acceptance 6): labd holds a
 * bounded number of them, grows by less than 8 MiB, and those who have business with it notice nothing.
 */
import { expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { begin, openClient, refusalOf } from './harness/fleet/fleet-exec.ts';
import { enrolUser } from './harness/fleet/fleet-identities.ts';
import { rssMiB, waitFor } from './harness/fleet/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';

const count = Number(process.env['LABMESH_HALF_OPEN'] ?? 10_000);
/** Begun together. */
const atOnce = 100;
const growthMibMax = 8;
/** Two doors of 192 handshakes. */
const keptMax = 384;
/** RSS also grows for reasons of its own, such as code that is compiled; what is kept would show in each of them. */
const floodsMax = 8;
const longMs = 300_000;

/** The first bytes of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const listening = createServer();
  await once(listening.listen(0, '127.0.0.1'), 'listening');
  const taken = once(listening, 'connection') as Promise<[Socket]>;
  const { port } = listening.address() as { port: number };
  const client = connectTls({ host: '127.0.0.1', port, minVersion: 'TLSv1.3', servername: 'labd' }).on(
    'error',
    () => {},
  );
  const [socket] = await taken;
  const [bytes] = (await once(
    socket.on('error', () => {}),
    'data',
  )) as [Buffer];
  client.destroy();
  socket.destroy();
  listening.close();
  return bytes;
}

/** Strangers' sockets: of each three, one says nothing, one half of its first flight, one all of it and then no more. */
class Strangers implements Disposable {
  readonly #sockets = new Set<Socket>();
  begun = 0;

  get open(): number {
    return this.#sockets.size;
  }

  async knock(urls: readonly string[], hello: Buffer, many: number): Promise<void> {
    for (let done = 0; done < many; done += atOnce)
      await Promise.all(
        Array.from({ length: Math.min(atOnce, many - done) }, (_, at) => this.#one(urls[at % urls.length]!, hello)),
      );
  }

  async #one(url: string, hello: Buffer): Promise<void> {
    const { hostname, port } = new URL(url);
    const part = [0, hello.length >> 1, hello.length][this.begun++ % 3]!;
    const connected = Promise.withResolvers<void>();
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      if (part > 0) socket.write(hello.subarray(0, part));
      connected.resolve();
    });
    this.#sockets.add(socket);
    socket.resume().on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      connected.resolve();
    });
    await connected.promise;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

test(
  `${count} half-open connections: labd keeps a few, grows by less than ${growthMibMax} MiB, agents and commands go on`,
  async () => {
    // A flood on a busy machine may hold labd up for seconds, which is not what ends a link here.
    const toml = '[hub]\nheartbeat = "5s"\n[limits]\nanonymous_per_min = 1000000';
    await using labd = await startLabd({ toml, logLevel: 'info' });
    await using agent = await startAgent(labd, 'web-1', { toml: 'reconnect_min = "200ms"\nreconnect_max = "1s"' });
    const user = await enrolUser(labd, 'ada', ['admin']);
    await using client = openClient([doorOf(labd.api)], { identity: user });
    const hello = await clientHello();
    const doors = [labd.api, labd.agents];
    const run = await begin(client, 'web-1', 'while read line; do echo "$line"; done; exit 7', { stdin: true });
    let said = 0;
    const speaks = async () => {
      await run.channel.write(0, new TextEncoder().encode('still here\n'));
      await run.has((said += 11), longMs);
    };
    await speaks();

    // A first flood, so that labd has what the code of this needs, and has done its own first things.
    {
      using first = new Strangers();
      await first.knock(doors, hello, count / 2);
    }
    await speaks();
    const growths: number[] = [];
    while (growths.length < floodsMax && !growths.some((mib) => mib < growthMibMax)) {
      using strangers = new Strangers();
      const before = rssMiB(labd.daemon.pid);
      let most = before;
      for (let round = 0; round < 10; round++) {
        await strangers.knock(doors, hello, count / 10);
        await speaks();
        most = Math.max(most, rssMiB(labd.daemon.pid));
      }
      growths.push(most - before);
      // Ends reach us after those that labd has made.
      await waitFor(() => strangers.open <= keptMax, longMs);
      console.log(`${count} half-open: ${strangers.open} kept, labd grew ${(most - before).toFixed(1)} MiB at most`);
    }
    expect(Math.min(...growths)).toBeLessThan(growthMibMax);
    // New ones are let in all the time: a handshake that is slow makes room.
    await using newcomer = openClient([doorOf(labd.api)], { identity: user });
    await waitFor(async () => (await refusalOf(newcomer, 'web-1').catch(() => 'not let in')) === undefined, longMs);
    run.channel.end(0);
    expect((await run.ended).exit?.code).toBe(7);
    expect(agent.daemon.said).not.toContain('the connection to labd ended');
  },
  longMs,
);
