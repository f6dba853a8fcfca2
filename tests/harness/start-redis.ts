/** A redis-server of its own on a unix socket in a temporary folder, for tests `(needs redis-server)`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Place } from './start-labd.ts';

const program = Bun.which('redis-server');
/** For `test.skipIf(!hasRedis)`. */
export const hasRedis = program !== null;

export type TestRedis = AsyncDisposable & {
  /** `redis+unix://…`, or `redis://…` in a network lab; the same after a restart. */
  url: string;
  /** Ends it at once, as a crash does; `start` brings an empty one back. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stands still with its connections open, as a host without CPU does. */
  freeze(): void;
  thaw(): void;
};

async function answers(url: string): Promise<boolean> {
  const client = new Bun.RedisClient(url, { autoReconnect: false, connectionTimeout: 200 });
  try {
    await client.connect();
    return (await client.send('PING', [])) === 'PONG';
  } catch {
    return false;
  } finally {
    client.close();
  }
}

/**
 * On a host of a network lab it has an address there, too. Throws when there is no redis-server, or it does not answer
 * within 10 s.
 */
export async function startRedis(place?: Place): Promise<TestRedis> {
  if (program === null) throw new Error('redis-server is not installed');
  const dir = mkdtempSync(join(tmpdir(), 'labmesh-redis-'));
  const socket = join(dir, 'redis.sock');
  const ownUrl = `redis+unix://${socket}`;
  const address = place?.lab.address(place.host);
  const url = address === undefined ? ownUrl : `redis://${address}:6379`;
  const network = address === undefined ? ['--port', '0'] : ['--port', '6379', '--bind', address];
  const quiet = ['--save', '', '--appendonly', 'no', '--protected-mode', 'no', '--dir', dir];
  const own = [program, ...network, '--unixsocket', socket, ...quiet];
  const argv = place === undefined ? own : place.lab.command(place.host, own);
  let child: Bun.Subprocess | undefined;
  const kill = async () => {
    child?.kill('SIGKILL');
    await child?.exited;
    child = undefined;
  };
  const start = async () => {
    child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
    for (let tries = 0; tries < 200; tries++) {
      if (await answers(ownUrl)) return;
      await Bun.sleep(50);
    }
    throw new Error('redis-server does not answer');
  };
  await start();
  return {
    url,
    kill,
    start,
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
