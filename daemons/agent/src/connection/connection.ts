/**
 * One connection to one labd: HELLO, heartbeats, facts, and the channels that labd opens. Sessions outlive it: after a
 * cut labd comes back with RESUME, on this replica or another (HB-6, EX-7).
 */
import { loadavg, uptime } from 'node:os';
import type { Logger } from '@labmesh/kit/log';
import { dialLink } from '@labmesh/link/dial';
import type { First } from '@labmesh/link/first-frame';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import type { Goaway, Hello, HelloOk, Msg } from '@labmesh/wire/frame/messages';
import type { AgentIdentity } from '../identity/agent-identity.ts';

export type ConnectionEnd = { code: number; reason: string; upMs: number };

export type ConnectionParts = {
  identity: AgentIdentity;
  hello: () => Omit<Hello, 'bundle' | 'serverId'>;
  /** OPEN or RESUME of labd. */
  first: (raw: RawChannel, first: First) => void;
  onMsg: (msg: Msg) => void;
  onGoaway: (goaway: Goaway) => void;
  /** HELLO_OK came: connected. */
  onUp: (ok: HelloOk, connection: Connection) => void;
  channels: () => number;
  /** How log shipping goes; undefined where there is none. */
  shipping: () => Extract<Msg, { kind: 'heartbeat' }>['shipping'];
  log: Logger;
};

const dialMs = 15_000;
const clockSkewMs = 5 * 60_000;

export class Connection implements LinkHandlers {
  readonly #parts: ConnectionParts;
  readonly url: string;
  #link: Link | undefined;
  #ended = Promise.withResolvers<{ code: number; reason: string }>();
  #beat: NodeJS.Timeout | undefined;

  constructor(url: string, parts: ConnectionParts) {
    this.url = url;
    this.#parts = parts;
  }

  /** Connects and stays until the link ends. @throws when it cannot be dialled or greeted. */
  async run(signal: AbortSignal): Promise<ConnectionEnd> {
    const { identity, hello } = this.#parts;
    const { bundlePem, client } = identity;
    const socket = await dialLink({
      url: `${this.url.replace(/^http/, 'ws').replace(/\/$/, '')}/ws/agent`,
      subprotocol: subprotocols.link,
      identity: { keyPem: client.privatePem, chainPem: client.chainPem },
      bundlePem,
      servername: 'labd',
      checkServerIdentity: serverIdentityCheck({ bundlePem, trustDomain: undefined }),
      signal,
      timeoutMs: dialMs,
    });
    const link = new Link(socket, this, { side: 'odd' });
    this.#link = link;
    const onAbort = () => link.close('goingAway', 'the agent is stopping');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const ok = await link.hello({ ...hello(), serverId: identity.serverId, bundle: identity.bundleDigest });
      const upAt = performance.now();
      this.#welcomed(ok);
      const ended = await this.#ended.promise;
      return { ...ended, upMs: performance.now() - upAt };
    } finally {
      clearInterval(this.#beat);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #welcomed(ok: HelloOk): void {
    const { log, onUp } = this.#parts;
    const skewMs = ok.timeMs - Date.now();
    if (Math.abs(skewMs) > clockSkewMs) {
      const [ours, theirs] = [new Date().toISOString(), new Date(ok.timeMs).toISOString()];
      log.warn('this clock and that of labd differ by more than 5 minutes; mend this machine’s clock', {
        ours,
        theirs,
      });
    }
    this.#beat = setInterval(() => this.#heartbeat(), ok.heartbeatMs);
    this.#heartbeat();
    onUp(ok, this);
  }

  #heartbeat(): void {
    const link = this.#link;
    if (link?.ping() !== true) return;
    const memory = { rssBytes: process.memoryUsage.rss() };
    const { identity, channels, shipping } = this.#parts;
    const load = loadavg();
    link.sendMsg({
      kind: 'heartbeat',
      uptimeS: uptime(),
      load,
      memory,
      channels: channels(),
      bundle: identity.bundleDigest,
      shipping: shipping(),
    });
  }

  /** False: not sent now. */
  send(msg: Msg): boolean {
    return this.#link?.sendMsg(msg) ?? false;
  }

  /** Ends it, so that another one begins: a new identity, a better replica. */
  close(reason: string): void {
    this.#link?.close('goingAway', reason);
  }

  msg(_link: Link, msg: Msg): void {
    this.#parts.onMsg(msg);
  }
  goaway(_link: Link, goaway: Goaway): void {
    this.#parts.onGoaway(goaway);
  }
  first(_link: Link, raw: RawChannel, first: First): void {
    this.#parts.first(raw, first);
  }
  closed(_link: Link, code: number, reason: string): void {
    this.#ended.resolve({ code, reason });
  }
  fault(_link: Link, error: unknown): void {
    this.#parts.log.error('a session failed in a way nobody foresaw', { error });
  }
}
