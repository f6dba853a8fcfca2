/**
 * Commands on servers through labctl's own client link, in this process: what came, when it came, and how it ended.
 * Several doors stand for what a balancer does: each connection goes to the first that takes it.
 */
import { systemClock } from '@labmesh/kit/clock';
import { ClientLink } from '@labmesh/labctl/session/client-link';
import type { KeptChannel } from '@labmesh/labctl/session/kept-channel';
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import type { SignalName } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { type Open, openSchema } from '@labmesh/wire/frame/open';
import { dialSocket, type Proof } from './fleet-sockets.ts';
import type { Door } from '../raw-https.ts';

/** A client that tries the doors in order, as often as labctl does. */
export function openClient(doors: readonly Door[] | (() => readonly Door[]), proof: Proof = {}): ClientLink {
  const connect = async () => {
    let refusal: unknown = new Error('no door');
    for (const door of typeof doors === 'function' ? doors() : doors) {
      try {
        const socket = await dialSocket(door, '/ws/client', proof);
        if (typeof socket !== 'number') return socket;
        refusal = new Error(`the upgrade was answered with ${socket}`);
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  };
  return new ClientLink({ connect, clock: systemClock, timeoutMs: 10_000, note: () => undefined });
}

export type Ended = { exit: Exit | undefined; ending: ChannelEnding };

/** One session that runs. */
export class SessionRun {
  readonly channel: KeptChannel;
  readonly #parts: Uint8Array[] = [];
  readonly #errors: Uint8Array[] = [];
  /** Longest time without a byte since the first one, ms. */
  longestPauseMs = 0;
  bytes = 0;
  #lastAt: number | undefined;
  #exit: Exit | undefined;
  #wake: () => void = () => {};
  readonly ended: Promise<Ended>;

  constructor(channel: KeptChannel) {
    this.channel = channel;
    channel.handle({
      data: (stream, bytes) => this.#take(stream, bytes),
      exit: (exit) => void (this.#exit = exit),
      close: () => this.#wake(),
    });
    this.ended = channel.closed.then((ending) => ({ exit: this.#exit, ending }));
  }

  #take(stream: number, bytes: Uint8Array): void {
    (stream === 2 ? this.#errors : this.#parts).push(bytes.slice());
    const now = performance.now();
    if (this.#lastAt !== undefined) this.longestPauseMs = Math.max(this.longestPauseMs, now - this.#lastAt);
    this.#lastAt = now;
    this.bytes += bytes.length;
    this.#wake();
  }

  get session(): string {
    return this.channel.session;
  }
  get out(): string {
    return Buffer.concat(this.#parts).toString();
  }
  get err(): string {
    return Buffer.concat(this.#errors).toString();
  }
  signal(name: SignalName): void {
    this.channel.sendSignal(name);
  }

  /** Waits until so much has come. Rejects when it ended before. */
  async has(bytes: number, ms = 20_000): Promise<void> {
    const last = performance.now() + ms;
    let over: Ended | undefined;
    void this.ended.then((ended) => (over = ended));
    while (this.bytes < bytes) {
      if (over !== undefined || performance.now() > last)
        throw new Error(`${this.bytes} of ${bytes} bytes, ended: ${JSON.stringify(over?.ending)}`);
      await Promise.race([new Promise<void>((wake) => (this.#wake = wake)), Bun.sleep(100)]);
    }
  }
}

/** Begins a shell line on a server. @throws ChannelClosed when it is refused. */
export async function begin(
  client: ClientLink,
  server: string,
  shell: string,
  more: Partial<Open> = {},
): Promise<SessionRun> {
  const open = openSchema.parse({ kind: 'exec', server, shell, stdin: false, ...more });
  return new SessionRun(await client.open(open));
}

/** The same to its end. */
export async function execute(client: ClientLink, server: string, shell: string): Promise<Ended & { out: string }> {
  const run = await begin(client, server, shell);
  return { ...(await run.ended), out: run.out };
}

/** Why a command did not begin; undefined when it did. */
export async function refusalOf(client: ClientLink, server: string, shell = 'true'): Promise<string | undefined> {
  try {
    await (
      await begin(client, server, shell)
    ).ended;
    return undefined;
  } catch (error) {
    if (error instanceof ChannelClosed) return error.ending.reason;
    return error instanceof Error ? error.message : String(error);
  }
}

/** A loop that says numbers, `lines` of them in about `seconds`, and ends with 7; and what it says. */
export function counting(lines: number, seconds: number): { shell: string; out: string } {
  const pause = (seconds / lines).toFixed(4);
  const shell = `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "line $i of ${lines}"; sleep ${pause}; done; exit 7`;
  const out = Array.from({ length: lines }, (_, at) => `line ${at + 1} of ${lines}\n`).join('');
  return { shell, out };
}
