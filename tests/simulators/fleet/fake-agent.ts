/**
 * One simulated agent: an mTLS WebSocket, HELLO, heartbeats as labd asks for them, and a scripted answer to every exec,
 * so that hundreds of commands at once start no process. What it is for: a fleet of thousands in one process.
 */
import { ChannelEnd } from '@labmesh/link/channel-end';
import { dialLink } from '@labmesh/link/dial';
import type { First } from '@labmesh/link/first-frame';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import { agentNewsSchema } from '@labmesh/wire/fleet/agent-news';
import type { Hello, Msg } from '@labmesh/wire/frame/messages';
import type { OpenOf } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { FakeIdentity } from './fake-identity.ts';

/** What an exec gives. */
export type Script = (open: OpenOf<'exec'>) => { out?: string; err?: string; code: number };

/** Prints the words of the command, as `echo` of all of them. */
export const echoScript: Script = ({ argv, shell }) => ({ out: `${argv?.join(' ') ?? shell ?? ''}\n`, code: 0 });

/** One interval for all of a process. */
const beats = new Deadlines();
const encoder = new TextEncoder();

export class FakeAgent implements LinkHandlers, DeadlineEntry, AsyncDisposable {
  readonly identity: FakeIdentity;
  readonly #script: Script;
  readonly #instanceId = uuidv7();
  #socket: FrameSocket | undefined;
  #link: Link | undefined;
  #heartbeatMs = 0;
  deadline = 0;
  /** WebSocket's code of the last end. */
  closedWith: number | undefined;
  /** Commands answered. */
  execs = 0;
  beatsSent = 0;
  /** How labd wants a return spread. */
  returnWithinMs: number | undefined;
  /** Told after the link has ended. */
  onClosed: (() => void) | undefined;

  constructor(identity: FakeIdentity, script: Script = echoScript) {
    this.identity = identity;
    this.#script = script;
  }

  get isUp(): boolean {
    return this.#link?.isUp === true;
  }

  /** Connects and greets. `first`: how long until the first heartbeat, so that a fleet spreads them. @throws as dialLink. */
  async connect(url: string, firstBeatMs = 0): Promise<void> {
    const { keyPem, chainPem, bundlePem } = this.identity;
    const socket = await dialLink({
      url: `${url.replace(/^http/, 'ws').replace(/\/$/, '')}/ws/agent`,
      subprotocol: subprotocols.link,
      identity: { keyPem, chainPem },
      bundlePem,
      servername: 'labd',
      checkServerIdentity: serverIdentityCheck({ bundlePem, trustDomain: undefined }),
    });
    const link = new Link(socket, this, { side: 'odd' });
    const ok = await link.hello(this.#hello());
    this.#socket = socket;
    this.#link = link;
    this.#heartbeatMs = ok.heartbeatMs;
    this.returnWithinMs = ok.retryAfterMaxMs;
    this.deadline = performance.now() + firstBeatMs;
    beats.add(this);
  }

  #hello(): Hello {
    return {
      protocols: [1],
      kind: 'agent',
      serverId: this.identity.serverId,
      instanceId: this.#instanceId,
      bootId: '',
      version: 'fake',
      os: 'linux',
      arch: 'x64',
      capabilities: ['exec'],
      factsDigest: '',
      bundle: this.identity.bundleDigest,
      sessions: [],
    };
  }

  onDeadline(): void {
    const link = this.#link;
    this.deadline = performance.now() + this.#heartbeatMs;
    if (link?.ping() !== true) return;
    this.beatsSent++;
    link.sendMsg({
      kind: 'heartbeat',
      uptimeS: 1,
      load: [0, 0, 0],
      channels: link.channels,
      bundle: this.identity.bundleDigest,
    });
  }

  /** Tells of its machine, as an agent does after it connected. */
  sendFacts(facts: Record<string, unknown>): void {
    this.#link?.sendMsg({ kind: 'facts', digest: '', facts });
  }

  msg(_link: Link, msg: Msg): void {
    const news = msg.kind === 'desired' ? agentNewsSchema.safeParse(msg.desired).data : undefined;
    this.returnWithinMs = news?.retryAfterMaxMs ?? this.returnWithinMs;
  }

  first(_link: Link, raw: RawChannel, first: First): void {
    if (first.type !== 'open') return raw.close('no-session');
    if (first.open.kind !== 'exec') return raw.close('denied', 'this agent is simulated');
    this.#exec(raw, first.open);
  }

  #exec(raw: RawChannel, open: OpenOf<'exec'>): void {
    const { out = '', err = '', code } = this.#script(open);
    const end = ChannelEnd.accept(raw, open, { session: open.session ?? uuidv7() });
    end.handle({});
    const texts = [encoder.encode(out), encoder.encode(err)] as const;
    for (const [index, bytes] of texts.entries()) {
      const stream = index === 0 ? 1 : 2;
      // Whoever ends the channel early does not want the rest.
      if (bytes.length > 0) end.write(stream, bytes).catch(() => {});
      end.end(stream);
    }
    this.execs++;
    const bytes = { in: 0, out: texts[0].length, err: texts[1].length };
    end.sendExit({ code, signal: null, core: false, timedOut: false, drained: true, bytes });
    end.close('ok');
  }

  closed(_link: Link, code: number): void {
    beats.delete(this);
    this.closedWith = code;
    this.#link = this.#socket = undefined;
    this.onClosed?.();
  }

  /** The machine hangs: its socket stays, nothing is answered any more. */
  freeze(): void {
    beats.delete(this);
    if (this.#socket !== undefined) this.#socket.owner = undefined;
  }

  /** The machine is gone without a goodbye. */
  vanish(): void {
    this.#socket?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link?.close('goingAway');
    // A frozen one hears nothing of its link's end.
    beats.delete(this);
    this.#link = this.#socket = undefined;
  }
}
