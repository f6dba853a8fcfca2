/** The side that answers: S2 and S4 (spec tunnel.md 5.5). Between the two it remembers nothing; the biscuit does. */
import { timingSafeEqual } from 'node:crypto';
import type { ProtocolVersion } from '../effects.ts';
import { prefix } from '../key-prefixes.ts';
import type { CiphertextEncoding } from '../mceliece/parameters.ts';
import { type Biscuit, biscuitKeyIndex, openBiscuit, sealBiscuit } from '../message/biscuit.ts';
import { sealCookieReply } from '../message/cookie-reply.ts';
import { beforeCookie, writeMac } from '../message/envelope.ts';
import {
  blankMessage,
  emptyDataBytes,
  emptyDataFields,
  initConfFields,
  initHelloFields,
  respHelloFields,
} from '../message/layout.ts';
import { ChainingKey } from '../steps/chaining-key.ts';
import { eraseSecrets } from '../steps/run-step.ts';
import type { StepResult } from '../steps/step-job.ts';
import type { BiscuitKeys } from './biscuit-keys.ts';
import type { ExchangeCore, Received } from './exchange-core.ts';
import { type Dialect, type Peer, presharedKeyOf } from './peer.ts';
import { answerLifeMs, glareMs, releaseGlareMs } from './timing.ts';

type Opened = Extract<StepResult, { step: 'open' }>;

const biscuitNonceBytes = 24;
const noCounter = new Uint8Array(12);

export class Responder {
  readonly #core: ExchangeCore;
  readonly #keys: BiscuitKeys;
  /** Handshakes in the queue or with a worker, so that an InitHello sent again is not worked on twice. */
  readonly #underWay = new Set<string>();

  constructor(core: ExchangeCore, keys: BiscuitKeys) {
    this.#core = core;
    this.#keys = keys;
  }

  /** InitHello: cheap checks here, then who it is from, in a worker. */
  greeted(received: Received, ciphertext: CiphertextEncoding): void {
    const core = this.#core;
    const { message, source, key, version, now } = received;
    const { sidi } = initHelloFields(message);
    const name = `${source.address} ${source.port} ${Buffer.from(sidi).toString('hex')}`;
    if (this.#underWay.has(name)) return core.drop('queue', source, undefined, 'sent again before its turn');
    const verdict = core.admission.judge(received, core.jobs);
    if (verdict === 'cookie') {
      const value = core.cookies.valueFor(source, now);
      const bytes = sealCookieReply(core.suites, key.prefixes, message, value, core.random);
      core.emit({ effect: 'send', to: source, bytes });
    }
    if (verdict === 'cookie' || verdict === 'rate') return core.drop(verdict, source);
    if (!core.jobs.hasRoom(verdict)) return core.drop('queue', source);
    this.#underWay.add(name);
    const job = { step: 'open', version, ciphertext, ownKey: key.index, initHello: message.slice() } as const;
    const kept = { ...received, message: message.slice() };
    core.jobs.push(verdict, job, (result, now) => {
      if (result.step === 'open') return this.#opened({ ...kept, now }, ciphertext, result, name);
      this.#underWay.delete(name);
      core.dropFailed(result, source);
    });
  }

  /** The InitHello names a peer: is it that peer? */
  #opened(received: Received, ciphertext: CiphertextEncoding, { peerId, ck }: Opened, name: string): void {
    const core = this.#core;
    const { message, source, key, version } = received;
    const peer = core.peers.identified(version, peerId);
    if (peer === undefined) {
      this.#underWay.delete(name);
      ck.fill(0);
      return core.drop('peer_unknown', source);
    }
    const spoken = { version, ciphertext };
    const refused = pinnedOtherwise(peer, spoken);
    const job = {
      step: 'answer',
      ...spoken,
      ownKey: key.index,
      peerKey: peer.key.fingerprint,
      presharedKey: presharedKeyOf(peer),
      initHello: message.slice(),
      ck,
      sidr: core.random(4),
      answer: refused === undefined,
    } as const;
    core.jobs.follow(job, (result, now) => {
      this.#underWay.delete(name);
      if (!core.peers.has(peer)) {
        eraseSecrets(result);
        return core.drop('peer_unknown', source, undefined, 'removed meanwhile');
      }
      if (result.step === 'answer') return this.#answer(peer, { ...received, now }, ciphertext, result);
      if (result.step !== 'authenticated') return core.dropFailed(result, source, peer);
      // The name is in it, and whoever knows both public keys can write it: told, never believed.
      if (refused !== undefined) core.drop(refused.reason, source, peer, refused.detail);
    });
  }

  /** The end of S2: all that would have to be remembered goes into the biscuit. */
  #answer(
    peer: Peer,
    { source, key, version, now }: Received,
    ciphertext: CiphertextEncoding,
    { respHello, ck: value }: Extract<StepResult, { step: 'answer' }>,
  ): void {
    const core = this.#core;
    const suite = core.suites[version];
    using ck = new ChainingKey(suite, value);
    const fields = respHelloFields(respHello);
    const binding = { responder: key.prefixes, sidi: fields.sidi, sidr: fields.sidr };
    const biscuit = { peerId: prefix(peer.key.prefixes, version, 'peerId'), number: ++core.biscuits, ck: value };
    const nonce = core.random(biscuitNonceBytes);
    fields.biscuit.set(sealBiscuit(suite, this.#keys.young(now), nonce, binding, biscuit));
    value.fill(0);
    ck.mix(fields.biscuit);
    fields.auth.set(ck.encrypt());
    writeMac(suite, peer.key.prefixes, respHello);
    peer.answered = ciphertext;
    core.emit({ effect: 'send', to: source, bytes: respHello });
  }

  /** InitConf: S4. Nothing of the peer changes before every check has passed (D4). */
  concluded(received: Received): void {
    const core = this.#core;
    const { message, source, key, version, now } = received;
    const fields = initConfFields(message);
    const secret = this.#keys.secret(biscuitKeyIndex(fields.biscuit), now);
    const binding = { responder: key.prefixes, sidi: fields.sidi, sidr: fields.sidr };
    const biscuit = openBiscuit(core.suites[version], secret, binding, fields.biscuit);
    if (biscuit === undefined) return core.drop('biscuit', source);
    const peer = core.peers.identified(version, biscuit.peerId);
    if (peer === undefined) core.drop('peer_unknown', source);
    else this.#conclude(peer, biscuit, received);
    biscuit.ck.fill(0);
  }

  #conclude(peer: Peer, biscuit: Biscuit, received: Received): void {
    const core = this.#core;
    const { message, source, key, version, now } = received;
    const cached = peer.answer;
    if (cached !== undefined && now < cached.until && timingSafeEqual(cached.initConf, beforeCookie(message))) {
      return core.emit({ effect: 'send', to: source, bytes: cached.emptyData.slice() });
    }
    if (biscuit.number <= peer.lastBiscuit) return core.drop('replay', source, peer);
    if (this.#holdsOn(peer, now)) return core.drop('state', source, peer, 'both sides began at once');
    const { sidi, sidr, biscuit: sealed, auth } = initConfFields(message);
    using ck = new ChainingKey(core.suites[version], biscuit.ck);
    ck.mix(sealed);
    ck.encrypt();
    ck.mix(sidi, sidr);
    if (ck.decrypt(auth) === undefined) return core.drop('decaps_auth', source, peer);
    peer.lastBiscuit = biscuit.number;
    core.cancelInitiation(peer);
    const emptyData = this.#emptyData(peer, ck, sidi, version);
    peer.answer = { initConf: beforeCookie(message).slice(), emptyData, until: now + answerLifeMs };
    const dialect = { version, ciphertext: peer.answered };
    core.exchanged(peer, ck, { role: 'responder', dialect, ownKey: key.index }, source, now);
    core.emit({ effect: 'send', to: source, bytes: emptyData.slice() });
  }

  /** S5, with the counter at its start: it is the only message under this key. */
  #emptyData(peer: Peer, ck: ChainingKey, sidi: Uint8Array, version: ProtocolVersion): Uint8Array {
    const suite = this.#core.suites[version];
    const message = blankMessage('emptyData', emptyDataBytes);
    const fields = emptyDataFields(message);
    const key = ck.derive('responderKey');
    fields.sid.set(sidi);
    fields.auth.set(suite.ciphers.seal(key, noCounter, new Uint8Array(0)));
    key.fill(0);
    writeMac(suite, peer.key.prefixes, message);
    return message;
  }

  /**
   * Both sides began and both finished their own handshake. If each took the other's as well, they would end with
   * different keys; so for a moment the smaller fingerprint's handshake wins. Releases of Rosenpass (V02) have no such
   * rule: they take an InitConf at once and let their own go, so both hold on until theirs will have arrived.
   */
  #holdsOn({ initiation, key }: Peer, now: number): boolean {
    if (initiation?.phase !== 'confirm') return false;
    const own = this.#core.ownKeys.get(initiation.ownKey);
    if (own === undefined) return false;
    const untilArrivedMs = initiation.dialect.version === 'V02' ? releaseGlareMs : 0;
    return now < initiation.liveAt + untilArrivedMs + (own.fingerprint < key.fingerprint ? glareMs : 0);
  }
}

/** Which Rosenpass speaks it by itself, for whoever has to bring two ends together. */
const releases = {
  V02: 'V02 (the default of every Rosenpass)',
  V03: 'V03 (Rosenpass main with protocol_version = "V03", and labmesh)',
  pc188: 'pc188 (Rosenpass 0.1.1 to 0.2.3, and labmesh)',
  'r4-156': 'r4-156 (Rosenpass main 2024-05 to 2026-09)',
};

/** The named error for a peer that speaks what it is pinned not to (X6). */
function pinnedOtherwise(
  peer: Peer,
  { version, ciphertext }: Dialect,
): { reason: 'version' | 'encoding'; detail: string } | undefined {
  if (peer.version !== 'auto' && peer.version !== version) {
    const detail = `peer speaks ${releases[version]}, we are set to ${peer.version}: set protocol_version`;
    return { reason: 'version', detail };
  }
  if (peer.ciphertext !== 'auto' && peer.ciphertext !== ciphertext) {
    const detail = `peer speaks ${releases[ciphertext]}, we are set to ${peer.ciphertext}: set ciphertext`;
    return { reason: 'encoding', detail };
  }
  return undefined;
}
