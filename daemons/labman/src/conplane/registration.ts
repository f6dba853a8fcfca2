/**
 * A node's life at its Conplane (network plane L2, L3, N3–N5): registers until it is taken, then heartbeats. What was
 * settled is kept in node.json, so that tunnel and proxy come back without the Conplane.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import type { NodeHeartbeatRequest, NodeInfo, NodeRegisterAnswer } from '@labmesh/wire/node';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { ControlPlaneConfig } from '../config/read-control-plane.ts';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { ConplaneCalls } from './conplane-calls.ts';
import {
  dropFormerNext,
  hasOtherWireguard,
  HubKeyNews,
  type IsProven,
  type IsWireguardProven,
  keepHubKey,
  knownHubKeys,
  nextWireguard,
  provenNext,
  provenWireguard,
  withoutRetired,
} from './hub-key-files.ts';
import { hubOf, movedFrom, PinMismatch } from './hub-of.ts';
import { type HubState, type NodeState, readNodeState, writeNodeState } from './node-file.ts';
import { saidText } from './said-text.ts';

/** `sha256:` and 64 hex digits, and the raw 524,160 bytes. */
export type OwnPublicKey = { fingerprint: string; publicKey: Uint8Array };

export type OwnPublicKeys = {
  /** Base64. `next`: that is to follow, and what the running tunnel proves it with (K8). */
  wireguard: () => { own: string; next?: { key: string; proof: string | undefined } };
  /** Of Rosenpass: the one in use and, while it is changed, the next (K8). */
  rosenpass: () => readonly [own: OwnPublicKey, next?: OwnPublicKey];
};

export type RegistrationParts = {
  calls: Pick<ConplaneCalls, 'register' | 'heartbeat'>;
  config: Pick<ControlPlaneConfig, 'onAuthFailure'>;
  tunnel: TunnelConfig;
  stateDir: string;
  /** Where public keys of others are kept. */
  keysDir: string;
  /** Of the running tunnel. */
  isProven: IsProven;
  isWireguardProven: IsWireguardProven;
  /** What the operator let in, as `readTrusted` gives it. */
  trusted: () => string | undefined;
  keys: OwnPublicKeys;
  /** Of the proxy on the tunnel address. */
  proxyPort: number;
  /** '' before the Conplane gave an id. */
  info: (nodeId: string) => NodeInfo;
  heartbeat: (nodeId: string) => NodeHeartbeatRequest;
  /**
   * Called with each settled state, before the first heartbeat, and the own key that the Conplane has taken. `isForgotten`:
   * it had been taken before and removed since, so the hub has no session with it.
   */
  onState: (state: NodeState, own: OwnPublicKey, isForgotten: boolean) => Promise<void>;
  /** The hub that is known by this Rosenpass key answers this next WireGuard key as well, if that is its word (K8). */
  onNextTaken: (known: string, next: string, proof: string) => void;
  clock: Clock;
  log: Logger;
};

/** `tunnel_address_refused`: the Conplane takes this node, and names for its tunnel what must not be (NP-S7, I10). */
export type RegistrationState = 'starting' | 'registered' | 'error' | 'pin_mismatch' | 'tunnel_address_refused';

/** The token is refused: not tried again before, since nothing here can mend it. */
const refusedWaitMs = 300_000;
/** The operator may let the hub's key in meanwhile. */
const pinWaitMs = 30_000;
const heartbeatMs = 10_000;
const caps = { versions: ['V03', 'V02'], ciphertexts: ['pc188', 'r4-156'] };

/** A right or a backend is missing, or the interface is somebody else's: no Conplane mends that. */
const oursToMend = ['TUNNEL_BACKEND_MISSING', 'TUNNEL_ISOLATION_UNAVAILABLE', 'TUNNEL_NAME_TAKEN'];

const isOurs = (error: unknown) => error instanceof TunnelError && oursToMend.includes(error.code);
const isPinMismatch = (error: unknown) => error instanceof FleetError && error.code === 'PIN_MISMATCH';
const isRefused = (error: unknown) => error instanceof FleetError && (error.status === 401 || error.status === 403);

function phaseAfter(error: unknown): RegistrationState {
  if (error instanceof PinMismatch) return 'pin_mismatch';
  if (error instanceof TunnelError && error.code === 'TUNNEL_ADDRESS_REFUSED') return 'tunnel_address_refused';
  return isRefused(error) ? 'error' : 'starting';
}

export class Registration {
  readonly #parts: RegistrationParts;
  #state: NodeState | undefined;
  #phase: RegistrationState = 'starting';
  #detail: string | undefined;
  /** One registration at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Ends the heartbeats that run, or the wait before the next try. */
  #pause = new AbortController();
  /** The Conplane said that it does not know this node. */
  #isForgotten = false;
  readonly #keyNews = new HubKeyNews();
  /** Since when the hub's WireGuard keys are known as they are; monotonic ms. */
  #wireguardSince = -Infinity;
  /** The same of the Rosenpass key that it announces. */
  #nextSince = -Infinity;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
    this.#state = readNodeState(parts.stateDir);
    try {
      // Before the operator can say anything: a word for that key is a new one then.
      this.#forgetRetired();
    } catch (error) {
      parts.log.warn('the hub’s former Rosenpass key could not be forgotten yet', { error });
    }
  }

  /** What the last registration settled, also that of an earlier run. */
  get state(): NodeState | undefined {
    return this.#state;
  }
  get phase(): RegistrationState {
    return this.#phase;
  }
  /** Why it is not registered, for the operator. */
  get detail(): string | undefined {
    return this.#detail;
  }

  /** Registers with this Rosenpass key now. @throws FleetError PIN_MISMATCH when nobody has let it in (K6) */
  async rekey(key: OwnPublicKey, signal: AbortSignal): Promise<void> {
    await this.#inTurn(() => this.#registerAs(key, signal));
  }

  /** Registers again, now rather than when the Conplane asks for it. */
  again(): void {
    this.#pause.abort();
  }

  /**
   * Runs until the signal ends it.
   * @throws FleetError 401 or 403 when `on_auth_failure` is "stop"; TunnelError when this machine cannot have a tunnel (N6)
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    let waits = backoff({ firstMs: 1_000, capMs: 30_000 });
    while (!signal.aborted) {
      this.#pause = new AbortController();
      const paused = AbortSignal.any([signal, this.#pause.signal]);
      try {
        const everyMs = await this.#inTurn(() => this.#register(signal));
        waits = backoff({ firstMs: 1_000, capMs: 30_000 });
        await this.#beat(everyMs, paused);
      } catch (error) {
        if (signal.aborted) return;
        const forMs = this.#note(error, waits.next().value ?? 30_000);
        await clock.sleep(forMs, paused).catch(() => undefined);
      }
    }
  }

  /** Notes why this node is not in; gives how long to wait. @throws the error when that is the end */
  #note(error: unknown, waitMs: number): number {
    const { log, config } = this.#parts;
    if (isRefused(error) && config.onAuthFailure === 'stop') throw error;
    if (isOurs(error)) throw error;
    const isPin = error instanceof PinMismatch;
    this.#phase = phaseAfter(error);
    this.#detail = detailOf(error);
    const forMs = isRefused(error) ? refusedWaitMs : isPin ? pinWaitMs : waitMs;
    log.warn('the Conplane did not take this node', { state: this.#phase, detail: this.#detail, again_in_ms: forMs });
    return forMs;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Gives the time between heartbeats. */
  async #register(signal: AbortSignal): Promise<number> {
    const [own, next] = this.#parts.keys.rosenpass();
    try {
      return await this.#registerAs(own, signal);
    } catch (error) {
      // A crash, or an answer that was lost: the Conplane knows the next key already (K8).
      if (next === undefined || !isPinMismatch(error)) throw error;
      return this.#registerAs(next, signal);
    }
  }

  async #registerAs(own: OwnPublicKey, signal: AbortSignal): Promise<number> {
    const { calls, log } = this.#parts;
    let answer = await calls.register(this.#request(own, false), signal);
    if (answer.need_rosenpass_key === true) answer = await calls.register(this.#request(own, true), signal);
    if (!answer.success || answer.node_id === undefined) {
      throw new Error(`the Conplane refused: ${saidText(answer.message ?? 'it says no reason')}`);
    }
    await this.#settle(answer, answer.node_id, own);
    log.info('registered', { node: answer.node_id, address: answer.wireguard_address ?? 'none' });
    return (answer.heartbeat_s ?? 0) * 1_000 || heartbeatMs;
  }

  #request({ fingerprint, publicKey }: OwnPublicKey, whole: boolean) {
    const { keys, keysDir, proxyPort, info, clock } = this.#parts;
    const { own: wireguard, next } = keys.wireguard();
    return {
      node_info: info(this.#state?.nodeId ?? ''),
      wireguard_public_key: wireguard,
      ...(next !== undefined && { next_wireguard_public_key: next.key }),
      ...(next?.proof !== undefined && { next_wireguard_proof: next.proof }),
      rosenpass_public_key: whole ? Buffer.from(publicKey).toString('base64') : '',
      rosenpass_public_key_sha256: fingerprint,
      ...knownHubKeys(this.#state?.hub ?? undefined, keysDir, clock.wall()),
      tunnel_caps: caps,
      proxy_port: proxyPort,
    };
  }

  async #settle(answer: NodeRegisterAnswer, nodeId: string, own: OwnPublicKey): Promise<void> {
    const { stateDir, keysDir, tunnel, onState, onNextTaken, isWireguardProven, trusted, clock, log } = this.#parts;
    // What could not be forgotten before must not be believed now.
    this.#forgetRetired();
    const known = this.#state?.hub ?? this.#state?.pins;
    const proven = provenWireguard(answer, known, isWireguardProven, this.#wireguardSince);
    const pins = { config: tunnel, known, trusted: trusted(), provenWireguard: proven?.current, now: clock.wall() };
    const found = hubOf(answer, pins);
    if (found !== undefined) keepHubKey(answer, found, keysDir);
    const hub = found && this.#withNext(answer, found, proven);
    const address = tunnel.address ?? answer.wireguard_address?.split('/')[0] ?? null;
    const state: NodeState = { nodeId, address, hub: hub ?? null, ...(hub === undefined && known && { pins: known }) };
    if (hub !== undefined && known?.next?.rosenpassSha256 === hub.rosenpassSha256) {
      log.info('the hub’s Rosenpass key is the one that it announced', { fingerprint: hub.rosenpassSha256 });
      if (known.rosenpassSha256 !== null) state.retired = known.rosenpassSha256;
    }
    writeNodeState(stateDir, state);
    if (hasOtherWireguard(known, hub ?? known)) this.#wireguardSince = clock.now();
    if (known?.next?.rosenpassSha256 !== (hub ?? known)?.next?.rosenpassSha256) this.#nextSince = clock.now();
    this.#state = state;
    // Not behind `onState`: it waits and may fail, and this would never be done.
    this.#forgetRetired();
    if (hub !== undefined) dropFormerNext(known?.next, hub, keysDir);
    this.#phase = 'registered';
    this.#detail = undefined;
    await onState(this.#state, own, this.#isForgotten);
    this.#isForgotten = false;
    const { next_wireguard_public_key: taken = '', next_wireguard_proof: proof = '' } = answer;
    const by = hub?.rosenpassSha256 ?? '';
    if (by !== '' && taken !== '') onNextTaken(by, taken, proof);
  }

  /** The hub uses this next key of WireGuard: the tunnel has seen its handshake (K8). @throws what the file system says */
  noteHubKey(wireguardPublicKey: string): void {
    const { stateDir, tunnel, clock } = this.#parts;
    if (this.#state?.hub === undefined || this.#state.hub === null) return;
    const { awaitedWireguard, ...hub } = this.#state.hub;
    const isNext = [hub.next?.wireguardPublicKey, awaitedWireguard].includes(wireguardPublicKey);
    if (!isNext || hub.wireguardPublicKey === wireguardPublicKey) return;
    const moved = { ...hub, wireguardPublicKey, ...movedFrom(hub.wireguardPublicKey, tunnel) };
    this.#state = { ...this.#state, hub: moved };
    this.#wireguardSince = clock.now();
    writeNodeState(stateDir, this.#state);
  }

  #forgetRetired(): void {
    this.#state = this.#state && withoutRetired(this.#state, this.#parts);
  }

  /** The hub with the keys that it announces, if it has proven them. */
  #withNext(answer: NodeRegisterAnswer, hub: HubState, proven: ReturnType<typeof provenWireguard>): HubState {
    const { keysDir, isProven, clock, log } = this.#parts;
    const next = provenNext(answer, hub, { isProven, keysDir, now: clock.wall(), since: this.#nextSince });
    if (next === undefined) {
      const named = answer.conplane?.next_rosenpass_sha256;
      if (named !== undefined)
        log.warn('a next key of the hub is named, and not proven by it: not taken', { named: saidText(named) });
      return hub;
    }
    if (next.rosenpassSha256 !== hub.next?.rosenpassSha256)
      log.info('the hub has proven its next Rosenpass key', { ...next });
    return { ...hub, next: { ...next, ...nextWireguard(hub.next, next.rosenpassSha256, proven) } };
  }

  #heartbeat(): NodeHeartbeatRequest {
    const { heartbeat, clock } = this.#parts;
    const told = heartbeat(this.#state?.nodeId ?? '');
    const next = this.#state?.hub?.next;
    if (told.tunnel === undefined || next === undefined || clock.wall() >= next.until) return told;
    return { ...told, tunnel: { ...told.tunnel, next_rosenpass_sha256: next.rosenpassSha256 } };
  }

  /** Until the Conplane no longer knows this node, the hub's keys change, or `again` ends it. */
  async #beat(everyMs: number, signal: AbortSignal): Promise<void> {
    const { calls, clock, log } = this.#parts;
    let failed = 0;
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const answer = await calls.heartbeat(this.#heartbeat(), signal);
        if (!answer.success) throw new FleetError('UNAUTHENTICATED', { message: answer.message ?? 'not known there' });
        failed = 0;
        const now = { mono: clock.now(), wall: clock.wall() };
        if (this.#keyNews.isWorthAsking(answer.conplane, this.#state?.hub, now)) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#isForgotten ||= error instanceof FleetError && error.status === 404;
        // Another registration tells: the node may have been removed, its token revoked.
        if (error instanceof FleetError && error.status < 500 && error.status !== 429) return;
        failed++;
        if (failed === 1 || failed % 60 === 0) log.warn('a heartbeat was not answered', { failed, error });
      }
    }
  }
}

/** With the way out that the Conplane names. */
function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return saidText(String(error));
  const hint = error instanceof FleetError ? error.hint : undefined;
  // Each by itself: a long reason must not cut the way out off.
  return hint === undefined ? saidText(error.message) : `${saidText(error.message)}; ${saidText(hint)}`;
}
