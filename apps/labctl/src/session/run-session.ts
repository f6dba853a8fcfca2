/**
 * A session between this terminal and a command far away: `exec` and `attach` (EX-3, EX-6 … EX-8).
 *
 *     stdin ─► (escape keys) ─► stream in      with a terminal: raw, resized with ours, signals are bytes
 *     stdout, stderr ◄─ streams out, err       without: bytes as they are, INT is sent by name
 *
 * What the far side sent is credited when our stdout took it, so a slow reader slows the command.
 */
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import type { Exit, OpenOk } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { channelProblem } from './channel-problem.ts';
import type { ClientLink } from './client-link.ts';
import { EscapeKeys } from './escape-keys.ts';
import { exitStatus } from './exit-status.ts';
import type { KeptChannel } from './kept-channel.ts';
import { goneExit, OutputGone, type OwnSignal, type SessionIo } from './session-io.ts';
import { exitCodes } from '../exit-codes.ts';

/** Exit codes of a program that a signal ended. */
const signalExit: Readonly<Record<OwnSignal | 'PIPE', number>> = { HUP: 129, INT: 130, PIPE: goneExit, TERM: 143 };
/** How long the goodbye may take when we end it. */
const goodbyeMs = 2_000;

export type SessionPlan = {
  open: Open;
  /** `server/web-1` or `session/<id>`, for messages. */
  target: string;
  /** Send our stdin; else the command's stdin ends at once. */
  sendsInput: boolean;
  /** The command has a terminal. */
  tty: boolean;
};

export type SessionParts = {
  link: Pick<ClientLink, 'open'>;
  io: SessionIo;
  /** A line on stderr for the person. */
  note: (text: string) => void;
  /** Unix ms. */
  now: () => number;
  /** labd has begun the session; nothing of it was shown yet. */
  began?: (ok: OpenOk) => void;
};

/** With CLOSE `ok` before EXIT: labd keeps the command and takes its output itself (EX-8). */
const detachText = 'detach';

/** Why it is over: the command, the person, or something between. */
type Outcome =
  | { by: 'exit'; exit: Exit }
  | { by: 'signal'; name: OwnSignal | 'PIPE' }
  | { by: 'keys'; command: 'detach' | 'end' }
  | { by: 'close'; ending: ChannelEnding };

/** The exit code of labctl. @throws CommandError (255) when there is no EXIT; see also `ClientLink.open` */
export async function runSession(plan: SessionPlan, parts: SessionParts): Promise<number> {
  const refused = new AbortController();
  let told: (name: OwnSignal) => void = () => refused.abort(new Error('interrupted'));
  let first: OwnSignal = 'INT';
  using _signals = parts.io.takeSignals((name) => {
    first = name;
    told(name);
  });
  let channel: KeptChannel;
  try {
    channel = await parts.link.open(plan.open, refused.signal);
  } catch (error) {
    if (refused.signal.aborted) return signalExit[first];
    throw error;
  }
  parts.began?.(channel.ok);
  if (plan.open.kind === 'exec' && plan.open.detach) return exitCodes.ok;
  const session = new Session(plan, parts, channel);
  told = (name) => session.onSignal(name);
  // Awaited here: the signals are ours until it is over.
  return await session.run();
}

class Session {
  readonly #plan: SessionPlan;
  readonly #parts: SessionParts;
  readonly #channel: KeptChannel;
  readonly #over = Promise.withResolvers<Outcome>();
  #exit: Exit | undefined;
  #interrupts = 0;

  constructor(plan: SessionPlan, parts: SessionParts, channel: KeptChannel) {
    this.#plan = plan;
    this.#parts = parts;
    this.#channel = channel;
  }

  /** The session of the command; that of an attach is only ours. */
  get #command(): string {
    const { open } = this.#plan;
    return open.kind === 'attach' ? open.target : this.#channel.session;
  }

  async run(): Promise<number> {
    const { io } = this.#parts;
    using ours = new DisposableStack();
    if (this.#plan.tty && io.stdinIsTerminal && this.#plan.sendsInput) ours.use(io.rawMode());
    if (this.#plan.tty) ours.use(io.onResize(({ cols, rows }) => this.#channel.sendResize(cols, rows)));
    this.#channel.handle({
      data: (stream, bytes) => this.#output(stream === 2 ? 2 : 1, bytes),
      exit: (exit) => {
        this.#exit = exit;
      },
      close: (ending) =>
        this.#over.resolve(this.#exit === undefined ? { by: 'close', ending } : { by: 'exit', exit: this.#exit }),
    });
    void this.#input();
    const outcome = await this.#over.promise;
    // Before anything is said: in raw mode lines would be stairs.
    ours.dispose();
    return await this.#end(outcome);
  }

  async #output(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    try {
      await this.#parts.io.write(stream, bytes);
    } catch (error) {
      if (!(error instanceof OutputGone)) throw error;
      this.#over.resolve({ by: 'signal', name: 'PIPE' });
    }
  }

  async #input(): Promise<void> {
    const { io } = this.#parts;
    const keys = this.#plan.tty && io.stdinIsTerminal ? new EscapeKeys() : undefined;
    try {
      for await (const typed of this.#plan.sendsInput ? io.stdin() : []) {
        const { bytes, command } = keys?.push(typed) ?? { bytes: typed };
        if (bytes.length > 0) await this.#channel.write(0, bytes);
        if (command === undefined) continue;
        this.#over.resolve({ by: 'keys', command });
        return;
      }
      this.#channel.end(0);
    } catch (error) {
      // The command reads no more; how it ended comes from the other side.
      if (error instanceof ChannelClosed) return;
      this.#parts.note(`stdin cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      this.#channel.end(0);
    }
  }

  /** The first Ctrl-C is the command's, the second one ours. TERM and HUP mean that labctl has to go. */
  onSignal(name: OwnSignal): void {
    if (name === 'INT' && this.#interrupts++ === 0) return this.#channel.sendSignal('INT');
    this.#over.resolve({ by: 'signal', name });
  }

  async #end(outcome: Outcome): Promise<number> {
    const { target, open } = this.#plan;
    const { note, now } = this.#parts;
    switch (outcome.by) {
      case 'exit':
        return exitStatus(outcome.exit);
      case 'close': {
        const about = { verb: open.kind, target, session: this.#command, now: now() };
        throw channelProblem(outcome.ending, about, exitCodes.execFailed);
      }
      case 'signal':
        await this.#leave('cancelled', '');
        return signalExit[outcome.name];
      case 'keys':
        if (outcome.command === 'detach') return this.#detach();
        // Whoever attached is one of several: only the signal reaches the command itself.
        if (open.kind === 'attach') this.#channel.sendSignal('HUP');
        await this.#leave('cancelled', '');
        note(`${target}: ended by ~.`);
        return exitCodes.execFailed;
    }
  }

  /** Nobody reads or types here any more; labd takes the output in our place. */
  async #detach(): Promise<number> {
    await this.#leave('ok', this.#plan.open.kind === 'exec' ? detachText : '');
    this.#parts.note(`detached; the command goes on: labctl attach session/${this.#command}`);
    return exitCodes.ok;
  }

  /** Closes, and waits a moment for the other side to say that it heard. */
  async #leave(reason: 'ok' | 'cancelled', text: string): Promise<void> {
    this.#channel.close(reason, text);
    await Promise.race([this.#channel.closed, Bun.sleep(goodbyeMs)]);
  }
}
