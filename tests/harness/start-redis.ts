/** A redis-server of its own on a unix socket in a temporary folder, for tests `(needs redis-server)`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = Bun.which('redis-server');
/** For `test.skipIf(!hasRedis)`. */
export const hasRedis = program !== null;

export type TestRedis = AsyncDisposable & {
  /** `redis+unix://…`, the same after a restart. */
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

/** Throws when there is no redis-server, or it does not answer within 10 s. */
export async function startRedis(): Promise<TestRedis> {
  if (program === null) throw new Error('redis-server is not installed');
  const dir = mkdtempSync(join(tmpdir(), 'labmesh-redis-'));
  const socket = join(dir, 'redis.sock');
  const url = `redis+unix://${socket}`;
  const argv = [program, '--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', dir];
  let child: Bun.Subprocess | undefined;
  const kill = async () => {
    child?.kill('SIGKILL');
    await child?.exited;
    child = undefined;
  };
  const start = async () => {
    child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
    for (let tries = 0; tries < 200; tries++) {
      if (await answers(url)) return;
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
