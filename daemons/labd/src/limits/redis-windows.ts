/**
 * The windows that all replicas share (RL-2): one script, one round trip a call. Redis may go at any time, so
 *
 *     up ── error, or no answer in 50 ms ──> away ── connected and answering PING ──> up
 *
 * and while it is away `take` says undefined at once. Nothing queues up: a client that failed is closed with all it
 * holds, and a new one is tried each 0.5 to 10 s.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { buckets, judge, type Decision, type Rule } from './window.ts';

export const answerMsMax = 50;
const connectMsMax = 1_000;
const retryMs = { min: 500, max: 10_000 };

// The time is Redis's own, so that replicas with different clocks share one window. KEYS: the window. ARGV: limit,
// window in ms, cost, 1 to take or 0 to look. Gives {taken, ms into the newest bucket, counts oldest first …}.
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local width = ARGV[2] / ${buckets}
local bucket = math.floor(now / width)
local kept = redis.call('HMGET', KEYS[1], 'last', '0', '1', '2', '3', '4', '5')
local last = tonumber(kept[1]) or bucket
if last > bucket then bucket = last end
local used = 0
local answer = {0, math.max(0, math.floor(now - bucket * width))}
for n = bucket - ${buckets - 1}, bucket do
  local count = 0
  if n > last - ${buckets} and n <= last then count = tonumber(kept[n % ${buckets} + 2]) or 0 end
  used = used + count
  answer[#answer + 1] = count
end
if used + ARGV[3] > tonumber(ARGV[1]) or ARGV[4] == '0' then return answer end
answer[1] = 1
answer[#answer] = answer[#answer] + ARGV[3]
local fields = {'last', bucket}
for i = 0, ${buckets - 1} do
  fields[#fields + 1] = tostring((bucket - ${buckets - 1} + i) % ${buckets})
  fields[#fields + 1] = answer[i + 3]
end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] + width))
return answer`;
const scriptSha = createHash('sha1').update(script).digest('hex');

/** The answer, or an error after `ms`: nobody waits for a Redis that hangs. */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const isNoScript = (error: unknown) => error instanceof Error && error.message.startsWith('NOSCRIPT');

export type RedisWindowsOptions = {
  /** `redis://`, `rediss://`, `redis+unix://`. Holds a password perhaps: never logged. */
  url: string;
  clock: Clock;
  log: Logger;
};

export class RedisWindows implements AsyncDisposable {
  readonly #options: RedisWindowsOptions;
  readonly #stop = new AbortController();
  readonly #connecting: Promise<void>;
  #client: Bun.RedisClient | undefined;
  #lost: (() => void) | undefined;
  /** Times that Redis was lost. */
  losses = 0;

  constructor(options: RedisWindowsOptions) {
    this.#options = options;
    this.#connecting = this.#keepConnected();
  }

  get up(): boolean {
    return this.#client !== undefined;
  }

  /** undefined when Redis is away, or went away over this call. */
  async take(key: string, rule: Rule, cost: number, commit: boolean): Promise<Decision | undefined> {
    const client = this.#client;
    if (client === undefined) return undefined;
    const args = ['1', `labmesh:limit:${key}`, rule.max, rule.windowMs, cost, commit ? 1 : 0].map(String);
    try {
      const [taken, intoMs = 0, ...counts] = await within(answerMsMax, this.#run(client, args));
      return judge(rule, { counts, intoMs }, cost, taken === 1);
    } catch (error) {
      this.#loseClient(client, error);
      return undefined;
    }
  }

  async #run(client: Bun.RedisClient, args: string[]): Promise<number[]> {
    try {
      return (await client.send('EVALSHA', [scriptSha, ...args])) as number[];
    } catch (error) {
      if (!isNoScript(error)) throw error;
      return (await client.send('EVAL', [script, ...args])) as number[];
    }
  }

  #loseClient(client: Bun.RedisClient, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.losses++;
    client.close();
    if (!this.#stop.signal.aborted)
      this.#options.log.warn('redis is away: limits count per replica', { why: String(error) });
    this.#lost?.();
  }

  async #connect(): Promise<Bun.RedisClient> {
    const client = new Bun.RedisClient(this.#options.url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      connectionTimeout: connectMsMax,
    });
    try {
      await within(connectMsMax, client.connect());
      await within(connectMsMax, client.send('PING', []));
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- it has no other way to tell
      client.onclose = (error) => this.#loseClient(client, error);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** One round: connect, and wait for the loss. */
  async #round(): Promise<void> {
    const client = await this.#connect();
    if (this.#stop.signal.aborted) return client.close();
    const gone = new Promise<void>((resolve) => (this.#lost = resolve));
    this.#client = client;
    this.#options.log.info('redis shares the limits');
    await gone;
  }

  async #keepConnected(): Promise<void> {
    const { signal } = this.#stop;
    let wait = retryMs.min;
    let told = false;
    while (!signal.aborted) {
      try {
        await this.#round();
        wait = retryMs.min;
        told = true;
      } catch (error) {
        if (!told) this.#options.log.warn('redis cannot be reached', { why: String(error) });
        told = true;
      }
      await this.#options.clock.sleep(wait, signal).catch(() => {});
      wait = Math.min(retryMs.max, wait * 2);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('closed'));
    if (this.#client !== undefined) this.#loseClient(this.#client, 'closed');
    await this.#connecting;
  }
}
