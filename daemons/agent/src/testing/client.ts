/** The other side of a session in tests: labctl's end of a real channel, which collects what arrives. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Channel, ChannelEnding } from '@labmesh/link/channel';
import { channelPair } from '@labmesh/link/testing/channel-pair';
import type { Exit } from '@labmesh/wire/frame/messages';
import { type Open, type OpenOf, openExecSchema } from '@labmesh/wire/frame/open';
import { systemAccounts } from '../accounts.ts';
import type { ExecWorld } from '../exec/exec-world.ts';
import { openExec } from '../exec/run-exec.ts';
import { defaultSessionOptions, type SessionOptions } from '../session-options.ts';
import type { SessionRun } from '../session-run.ts';

const joined = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks);

export class TestClient {
  readonly channel: Channel;
  readonly closed: Promise<ChannelEnding>;
  readonly chunks: [Uint8Array[], Uint8Array[], Uint8Array[]] = [[], [], []];
  exit: Exit | undefined;
  /** While set, nothing is consumed: a reader that stopped. */
  hold: Promise<void> | undefined;
  #arrived: (() => void)[] = [];
  #text = '';
  readonly #decoder = new TextDecoder();

  constructor(channel: Channel) {
    this.channel = channel;
    this.closed = channel.closed;
    channel.handle({
      data: async (stream, bytes) => {
        await this.hold;
        this.chunks[stream].push(bytes);
        if (stream === 1) this.#text += this.#decoder.decode(bytes, { stream: true });
        for (const wake of this.#arrived.splice(0)) wake();
      },
      exit: (exit) => {
        this.exit = exit;
      },
    });
  }

  get out(): Buffer {
    return joined(this.chunks[1]);
  }
  get err(): Buffer {
    return joined(this.chunks[2]);
  }

  send(bytes: Uint8Array | string): Promise<void> {
    return this.channel.write(0, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes);
  }

  /** Resolves when stdout so far satisfies `when`; rejects when the channel closes before. */
  async until(when: (out: string) => boolean): Promise<void> {
    let ending: ChannelEnding | undefined;
    void this.closed.then((value) => {
      ending = value;
      for (const wake of this.#arrived.splice(0)) wake();
    });
    while (!when(this.#text)) {
      if (ending !== undefined) throw new Error(`closed (${ending.reason}) at: ${this.#text.slice(-200)}`);
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }
}

/** Starts `run` over a real channel in memory. `ran` resolves when the agent's side is through. */
export function connect(run: SessionRun, open: Open): { client: TestClient; agent: Channel; ran: Promise<void> } {
  const [opener, agent] = channelPair(open);
  return { client: new TestClient(opener), agent, ran: run.run(agent) };
}

export const execOpen = (wanted: Partial<OpenOf<'exec'>>): OpenOf<'exec'> =>
  openExecSchema.parse({ kind: 'exec', server: 'here', stdin: false, ...wanted });

export function testWorld(options: Partial<SessionOptions> = {}): ExecWorld {
  return {
    clock: systemClock,
    log: silentLogger,
    accounts: systemAccounts(),
    options: { ...defaultSessionOptions, ...options },
    env: process.env,
  };
}

/** Starts one command. */
export async function startExec(
  wanted: Partial<OpenOf<'exec'>>,
  options: Partial<SessionOptions> = {},
  more: Partial<ExecWorld> = {},
) {
  const open = execOpen(wanted);
  const session = await openExec(open, { ...testWorld(options), ...more });
  return { session, ...connect(session, open) };
}

/** Runs one command to its end. */
export async function execToEnd(
  wanted: Partial<OpenOf<'exec'>>,
  input?: Uint8Array | string,
  options: Partial<SessionOptions> = {},
  more: Partial<ExecWorld> = {},
) {
  const { client, ran } = await startExec({ stdin: input !== undefined, ...wanted }, options, more);
  if (input !== undefined) {
    // A command may close its stdin early; the rest is then dropped.
    await client.send(input).catch(() => {});
    client.channel.end(0);
  }
  const ending = await client.closed;
  await ran;
  return { exit: client.exit, ending, out: client.out, err: client.err, text: client.out.toString() };
}
