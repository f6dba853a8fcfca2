/**
 * lab-agent: joins this machine to labd by a connection that it opens itself; nothing listens here. States (AG-1):
 *
 *     disconnected → connecting → connected → reconnecting → connecting …
 *                          └─► waiting-approval (an operator decides)       stopped
 *
 * It never gives up, and its sessions outlive every cut.
 */
import type { HelloOk, Msg } from '@labmesh/wire/frame/messages';
import { agentUrls } from './agent-options.ts';
import type { AgentParts, AgentState } from './agent-parts.ts';
import { greeting } from './connection/greeting.ts';
import { Addresses } from './connection/addresses.ts';
import { Connection, type ConnectionEnd } from './connection/connection.ts';
import { hearNews } from './connection/hear-news.ts';
import { Reconnect } from './connection/reconnect.ts';
import { FactsTeller } from './facts/facts-teller.ts';
import { comeBack, keepCertificate } from './identity/keep-certificate.ts';
import { openSessions } from './open-session.ts';
import { defaultSessionOptions, type SessionOptions } from './session-options.ts';
import { Shipper } from './ship/shipper.ts';
import { writeStatus } from './write-status.ts';
import { openUpdater } from './update/open-updater.ts';

const approvalMs = 30_000;
const statusMs = 2_000;

export class Agent implements AsyncDisposable {
  readonly #parts: AgentParts;
  readonly #sessions: ReturnType<typeof openSessions>;
  /** Read at each use: labd tells times in HELLO_OK. */
  readonly #session: SessionOptions;
  readonly #reconnect: Reconnect;
  readonly #ending = new AbortController();
  readonly #addresses: Addresses;
  readonly #updater: ReturnType<typeof openUpdater>;
  readonly #facts: FactsTeller;
  readonly #shipper: Shipper;
  #connection: Connection | undefined;
  #running: Promise<void> | undefined;
  #state: AgentState = 'disconnected';
  /** How labd wants a return spread, should it be lost. */
  #returnWithinMs: number | undefined;
  /** What was told of it. */
  #more: Record<string, unknown> = {};

  constructor(parts: AgentParts) {
    const { options, identity, clock, log, selfCommand } = parts;
    this.#parts = parts;
    const { exec, logins, logPaths } = options;
    this.#session = { ...defaultSessionOptions, exec, logins, logPaths, selfCommand };
    this.#sessions = openSessions({ options: this.#session, clock, log });
    this.#reconnect = new Reconnect({ minMs: options.reconnectMinMs, maxMs: options.reconnectMaxMs });
    this.#addresses = new Addresses({ configured: agentUrls(options), known: identity.urls }, (urls) =>
      this.#keep(urls),
    );
    this.#facts = new FactsTeller({ ...parts, send: (msg) => this.#connection?.send(msg) ?? false });
    this.#shipper = new Shipper({ ...parts, send: (msg) => this.#connection?.send(msg) ?? false });
    this.#updater = openUpdater({
      ...parts,
      restart: parts.restart,
      labd: () => this.#labd(),
      sessions: () => this.#sessions.list().length,
      send: (msg) => this.#connection?.send(msg) ?? false,
    });
  }

  /** The one that we are connected to, and who we are there. */
  #labd() {
    const { bundlePem, client } = this.#parts.identity;
    const url = this.#connection?.url;
    return url === undefined ? undefined : { labd: { url, bundlePem }, client };
  }

  /** Resolves when this version is beyond doubt (AG-8): at once, unless it is on trial. */
  get confirmed(): Promise<void> {
    return this.#updater?.confirmed ?? Promise.resolve();
  }
  get state(): AgentState {
    return this.#state;
  }

  /** Begins; resolves when it was stopped. */
  run(): Promise<void> {
    this.#running ??= Promise.all([
      this.#stayConnected(),
      keepCertificate({
        identity: this.#parts.identity,
        urls: () => this.#addresses.all,
        clock: this.#parts.clock,
        log: this.#parts.log,
        signal: this.#ending.signal,
      }),
      this.#facts.watch(this.#ending.signal),
      this.#shipper.run(this.#ending.signal),
      this.#tellStatus(),
      this.#updater?.run(this.#ending.signal),
    ]).then(() => undefined);
    return this.#running;
  }

  #enter(state: AgentState, more: Record<string, unknown> = {}): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#parts.log.info(state, more);
    this.#more = more;
    this.#writeStatus();
  }

  #writeStatus(): void {
    const sessions = this.#sessions.list().length;
    const shipping = this.#shipper.status;
    writeStatus(this.#parts, { state: this.#state, sessions, ...this.#more, ...(shipping && { shipping }) });
  }

  /** Counts of shipping move while the state stays. */
  async #tellStatus(): Promise<void> {
    const { signal } = this.#ending;
    for (let told = ''; !signal.aborted; await this.#parts.clock.sleep(statusMs, signal).catch(() => undefined)) {
      const shipping = JSON.stringify(this.#shipper.status ?? {});
      if (shipping !== told && told !== '') this.#writeStatus();
      told = shipping;
    }
  }

  async #stayConnected(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const waitMs = await this.#connectOnce().catch((error: unknown) => {
        if (signal.aborted) return 0;
        log.warn('labd cannot be reached', { reason: error instanceof Error ? error.message : String(error) });
        return this.#reconnect.afterFailure(error);
      });
      if (signal.aborted) break;
      if (this.#state !== 'waiting-approval') this.#enter('reconnecting');
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
    this.#enter('stopped');
  }

  /** One connection from dial to end; gives the wait before the next. */
  async #connectOnce(): Promise<number> {
    const { identity, log } = this.#parts;
    if (
      identity.notAfter <= Date.now() &&
      !(await comeBack({ identity, urls: this.#addresses.all, log, onWaiting: () => this.#enter('waiting-approval') }))
    )
      return approvalMs;
    this.#enter('connecting');
    const url = this.#addresses.next();
    const connection = new Connection(url, {
      identity,
      hello: () => greeting(this.#parts.version, this.#facts.digest, this.#sessions.list()),
      first: (raw, first) => this.#sessions.take(raw, first),
      onMsg: (msg) => this.#onMsg(msg),
      onGoaway: ({ retryAfterMinMs, retryAfterMaxMs, urls }) => {
        log.info('labd is going away', { url });
        this.#reconnect.told({ minMs: retryAfterMinMs, maxMs: retryAfterMaxMs });
        this.#addresses.leave(url, urls);
      },
      onUp: (ok) => this.#onUp(ok, connection, url),
      channels: () => this.#sessions.list().length,
      shipping: () => this.#shipper.report,
      log,
    });
    this.#connection = connection;
    const end = await connection.run(this.#ending.signal);
    this.#connection = undefined;
    this.#shipper.unlinked();
    this.#updater?.disconnected();
    return this.#afterEnd(end);
  }

  #afterEnd({ code, reason, upMs }: ConnectionEnd): number {
    const { log } = this.#parts;
    this.#reconnect.lost(upMs, this.#returnWithinMs);
    log.warn('the connection to labd ended', { code, reason });
    return this.#reconnect.next();
  }

  #onUp(ok: HelloOk, connection: Connection, url: string): void {
    this.#enter('connected', { url, replica: ok.replicaId });
    this.#addresses.learn(url, ok.urls);
    this.#returnWithinMs = ok.retryAfterMaxMs;
    Object.assign(this.#session, ok.exec);
    this.#shipper.linked(ok.shipsLogs === true);
    if (this.#updater !== undefined) this.#updater.connected();
    else connection.send({ kind: 'update-report', state: 'off', badVersions: [] });
    void this.#facts.tell();
  }

  /** Addresses outlive a restart: the labd of the settings may be the one that is gone. */
  #keep(urls: readonly string[]): void {
    try {
      this.#parts.identity.keepUrls(urls);
    } catch (error) {
      this.#parts.log.warn('the addresses of labd could not be kept', { error });
    }
  }

  #onMsg(msg: Msg): void {
    if (msg.kind === 'log-ack') this.#shipper.answered(msg);
    if (msg.kind === 'end-sessions') for (const session of msg.sessions) this.#sessions.end(session, 'killed');
    if (msg.kind !== 'desired') return;
    void hearNews(msg.desired, {
      ...this.#parts,
      addresses: this.#addresses,
      onReturn: (withinMs) => (this.#returnWithinMs = withinMs),
    });
    this.#updater?.wish(msg.desired);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // While the link is there: whoever waits for a command hears why it ended (EX-7).
    await this.#sessions.endAll('agent-restarted');
    this.#ending.abort(new Error('the agent is stopping'));
    // One may have been opened meanwhile.
    await this.#sessions.endAll('agent-restarted');
    await this.#running;
  }
}
