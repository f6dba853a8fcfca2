/**
 * The certificate authority (spec 2.4) over the store:
 *
 *     CaMirror   what the CA is: keys, phase, lists, in memory
 *     issueLeaf  leaves, in the transaction of whoever enrols
 *     CaWorks    what changes it: rotation, renewal, upkeep under a lease
 *
 * Each replica looks for changes each second, and inside a transaction that issues, so that no leaf is signed by the
 * rules of a phase that is over. Root keys are opened for the moment of a rotation or renewal only.
 */
import { type PeerIdentity, verifyPeer } from '@labmesh/pki/verify-peer';
import type { Store, Writer } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import { CaMirror } from './ca-mirror.ts';
import { caOptions, type CaOptions } from './ca-options.ts';
import { CaWorks } from './ca-works.ts';
import { caFindings, type ExpiryFinding, leafFindings } from './expiry.ts';
import { type Issued, issueLeaf, type LeafRequest } from './issue-leaf.ts';
import { type Bundle, type CaState, chainOf, signerFor } from './keys/ca-state.ts';
import { type RotationStep, signingRequest } from './rotation.ts';
import type { World } from '../settings/world.ts';

export type { Issued, LeafRequest };

export type AuthorityParts = {
  store: Store;
  secrets: Sealer;
  clock: World['clock'];
  log: World['log'];
  options?: Partial<CaOptions>;
};

export type CaPhase = CaState['meta']['phase'];

export type RotationRequest = {
  to: RotationStep;
  force?: boolean;
  /** Names of the agents that have not reported the bundle with this digest. */
  behind?: (digest: string) => Promise<readonly string[]>;
};

/** Times are Unix ms. */
export type CaStatus = {
  phase: CaPhase;
  phaseSince: number;
  trustDomain: string;
  rootMode: CaOptions['rootMode'];
  pins: string[];
  bundleDigest: string;
  keys: { id: string; role: string; phase: string; notAfter: number; keyHash: string }[];
  /** What an offline root has to sign, PEM. */
  signingRequest: string | undefined;
};

const who = system('ca');

export class Authority implements AsyncDisposable {
  readonly #parts: AuthorityParts;
  readonly #options: CaOptions;
  readonly #mirror: CaMirror;
  readonly #works: CaWorks;
  readonly #ended = new AbortController();
  #working: Promise<void> = Promise.resolve();

  private constructor(parts: AuthorityParts, options: CaOptions, mirror: CaMirror, works: CaWorks) {
    this.#parts = parts;
    this.#options = options;
    this.#mirror = mirror;
    this.#works = works;
  }

  /**
   * Opens the CA of the store, or makes it; keeps it fresh and does what is due until disposed.
   * @throws AuthorityRefused (exitCode), FleetError STORE_UNAVAILABLE, INTERNAL when its keys do not open.
   */
  static async open(given: AuthorityParts): Promise<Authority> {
    const options = caOptions(given.options);
    const { store, secrets: sealer, clock, log } = given;
    const parts = { store, sealer, clock, log, options };
    const mirror = await CaMirror.open(parts);
    const works = new CaWorks(parts);
    if (await works.extendNames(mirror.state)) await mirror.reload();
    const authority = new Authority(given, options, mirror, works);
    await authority.tick();
    authority.#working = authority.#workOn();
    return authority;
  }

  get #state(): CaState {
    return this.#mirror.state;
  }

  /** Roots for clients and agents to trust, by the phase. */
  bundle(): Bundle {
    return this.#state.bundle;
  }
  /** Roots that labd trusts: also those of the last 90 days. What `/ca/bundle` serves, for joiners with an older pin. */
  anchorsPem(): string {
    return this.#state.anchorsPem;
  }
  get trustDomain(): string {
    return this.#state.meta.trustDomain;
  }
  phase(): CaPhase {
    return this.#state.meta.phase;
  }
  /** Rises with each change of keys, phase or lists. */
  get version(): number {
    return this.#state.meta.version;
  }

  /** What labd sends after a leaf of its own that is issued now: intermediate, and cross-signed roots (CA-11). */
  chainPem(): string {
    return chainOf(this.#state, signerFor(this.#state, 'labd').certificate, true);
  }

  /** Hash of the key that signs labd's leaves now: when it is not the own leaf's issuer, it is time for a new leaf. */
  serverIssuerKey(): string {
    return signerFor(this.#state, 'labd').certificate.keyHash;
  }

  /**
   * The identity of a TLS client (LD-4), deny list apart. `expired: 'tell'` is for the routes that take an expired leaf.
   * @throws PeerRefused.
   */
  verifyClient(leafDer: Uint8Array, expired: 'refuse' | 'tell' = 'refuse'): PeerIdentity {
    const { anchorsPem: bundlePem, intermediates: chain, meta } = this.#state;
    const now = this.#parts.clock.wall();
    return verifyPeer({ leafDer, chain, bundlePem, now, trustDomain: meta.trustDomain, eku: 'client', expired });
  }

  /**
   * A leaf, within the caller's transaction; the same key again gives the same certificate (CA-6).
   * @throws FleetError VALIDATION_FAILED (dnsNames, ips), BANNED, REVOKED, CONFLICT, INTERNAL.
   */
  async issueLeaf(tx: Writer, request: LeafRequest): Promise<Issued> {
    const clock = { now: this.#parts.clock.wall(), backdateMs: this.#options.backdateMs };
    return await issueLeaf(tx, await this.#mirror.stateIn(tx), request, clock);
  }

  /** The revocation list (CA-9). @throws FleetError STORE_UNAVAILABLE before the first one was signed. */
  crl(): ReturnType<CaMirror['crl']> {
    return this.#mirror.crl();
  }

  status(): CaStatus {
    const { meta, keys, bundle } = this.#state;
    const { phase, since: phaseSince, trustDomain, rootMode } = meta;
    return {
      phase,
      phaseSince,
      trustDomain,
      rootMode,
      pins: bundle.pins,
      bundleDigest: bundle.digest,
      keys: keys.map(({ id, role, phase, notAfter, keyHash }) => ({ id, role, phase, notAfter, keyHash })),
      signingRequest: signingRequest(this.#state),
    };
  }

  /** What ends soon (CA-12). @throws FleetError STORE_UNAVAILABLE. */
  async findings(): Promise<ExpiryFinding[]> {
    const now = this.#parts.clock.wall();
    const leaves = await this.#parts.store.read(who, (db) => leafFindings(db, now));
    return [...caFindings(this.#state.keys, now), ...leaves];
  }

  /**
   * One step of a rotation (CA-10). Gives the agents that it leaves behind, with `force`.
   * @throws FleetError CA_PHASE: not the next step, too early, or agents lack the bundle (named).
   */
  async rotate(principal: Principal, request: RotationRequest): Promise<{ behind: readonly string[] }> {
    await this.#mirror.reload();
    const isForward = request.to !== 'init' && request.to !== 'rollback';
    const behind = isForward ? ((await request.behind?.(this.#state.bundle.digest)) ?? []) : [];
    await this.#works.rotate(principal, request.to, behind, request.force === true);
    await this.#mirror.reload();
    return { behind };
  }

  /**
   * A new issuing intermediate: at once with a local root; with an offline one a request to sign is made (see `status`).
   * @throws FleetError CA_PHASE during a rotation.
   */
  async renewIntermediate(principal: Principal): Promise<void> {
    await this.#mirror.reload();
    await this.#works.renewIntermediate(principal, this.#state);
    await this.#mirror.reload();
  }

  /** Takes certificates that the offline root signed. @throws FleetError VALIDATION_FAILED (certificatePem). */
  async installSigned(principal: Principal, certificatePem: string): Promise<void> {
    await this.#works.installSigned(principal, certificatePem);
    await this.#mirror.reload();
  }

  /** Called after each change, own or read: bundle, chain and issuer may be others now. Gives the way to stop. */
  onChange(fn: () => void): () => void {
    return this.#mirror.onChange(fn);
  }

  /** Looks whether another replica changed something. Never rejects. */
  poll(): Promise<void> {
    return this.#mirror.poll();
  }

  /** Does what is due, if this replica has the lease: lists, renewal, destruction. Never rejects. */
  async tick(): Promise<void> {
    try {
      await this.#mirror.poll();
      if (await this.#works.upkeep(this.#state)) await this.#mirror.reload();
    } catch (error) {
      this.#parts.log.error('the upkeep of the CA failed', { error });
    }
  }

  async #workOn(): Promise<void> {
    const { clock } = this.#parts;
    const { pollMs, tickMs } = this.#options;
    let ticked = clock.now();
    for (;;) {
      const isOver = await clock.sleep(pollMs, this.#ended.signal).then(
        () => false,
        () => true,
      );
      if (isOver) return;
      if (clock.now() - ticked < tickMs) await this.poll();
      else {
        await this.tick();
        ticked = clock.now();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('authority closed'));
    await this.#working;
    this.#mirror.close();
  }
}
