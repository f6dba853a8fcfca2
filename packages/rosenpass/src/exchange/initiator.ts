/** The side that begins: S1, S3 and the end of S5 (spec tunnel.md 5.5), resending and negotiation (5.6, X6). */
import { timingSafeEqual } from 'node:crypto';
import type { Endpoint, Unanswered } from '../effects.ts';
import { prefix } from '../key-prefixes.ts';
import type { CiphertextEncoding } from '../mceliece/parameters.ts';
import { openCookieReply } from '../message/cookie-reply.ts';
import { writeCookie, writeMac } from '../message/envelope.ts';
import {
  blankMessage,
  cookieReplyFields,
  emptyDataFields,
  initConfBytes,
  initConfFields,
  initHelloFields,
  respHelloFields,
} from '../message/layout.ts';
import { ChainingKey } from '../steps/chaining-key.ts';
import { eraseSecrets } from '../steps/run-step.ts';
import type { StepResult } from '../steps/step-job.ts';
import type { ExchangeCore, Received } from './exchange-core.ts';
import {
  begins,
  dialectOf,
  dropInitiation,
  type Initiation,
  type Peer,
  presharedKeyOf,
  tryNextDialect,
} from './peer.ts';
import { sidBytes } from './peer-table.ts';
import { cookieLifeMs, deferMs, helloTries, keyLifeMs, resendDelay, unansweredMs } from './timing.ts';

type Hello = Extract<Initiation, { phase: 'hello' }>;

/** Places of one attempt that are remembered. */
const placesMax = 16;

function noteTry(attempt: Unanswered, { address, port }: Endpoint, bytes: number): void {
  attempt.bytes += bytes;
  const isKnown = attempt.places.some((place) => place.address === address && place.port === port);
  if (!isKnown && attempt.places.length < placesMax) attempt.places.push({ address, port });
}

/** After a step that could not run; not at once, for its cause may last. */
const failedAgainMs = 10_000;

export class Initiator {
  readonly #core: ExchangeCore;

  constructor(core: ExchangeCore) {
    this.#core = core;
  }

  /** Starts a new handshake in place of any other; later, when the queue is full. */
  begin(peer: Peer, now: number): void {
    const core = this.#core;
    core.touch(peer);
    if (!core.jobs.hasRoom('live')) {
      peer.nextExchangeAt = now + deferMs * (1 + 3 * core.unit());
      // What is under way goes on after that; a moment that has passed must not stand.
      if (peer.initiation !== undefined) peer.initiation.resendAt = Math.max(peer.initiation.resendAt, now + deferMs);
      return;
    }
    core.cancelInitiation(peer);
    peer.nextExchangeAt = Infinity;
    peer.attempt ??= { since: now, told: false, places: [], bytes: 0 };
    const dialect = dialectOf(peer);
    const sidi = core.peers.openSession(peer, core.random);
    const { ownKey } = peer;
    const initiation: Initiation = {
      phase: 'computing',
      sidi,
      dialect,
      ownKey,
      beganAt: now,
      resendAt: Infinity,
      sends: 0,
    };
    peer.initiation = initiation;
    const job = {
      step: 'initiate',
      ...dialect,
      ownKey,
      peerKey: peer.key.fingerprint,
      presharedKey: presharedKeyOf(peer),
      ckInit: prefix(peer.key.prefixes, dialect.version, 'ckInit'),
      sidi: sidBytes(sidi),
    } as const;
    core.jobs.push('live', job, (result, now) => this.#begun(peer, initiation, result, now));
  }

  /** One exchange now: what is under way is sent again at once. */
  hasten(peer: Peer, now: number): void {
    const { initiation } = peer;
    if (initiation?.phase === 'computing') return;
    if (initiation?.phase !== 'hello') return this.begin(peer, now);
    initiation.sends = 0;
    this.#transmit(peer, initiation, now);
  }

  /**
   * The peer is dialled elsewhere: an InitHello that waits is sent there as well, once and beside its turn, so that neither
   * the pace nor the count of tries depends on how many addresses there are.
   */
  redirect(peer: Peer): void {
    const { initiation } = peer;
    if (initiation?.phase === 'hello' && !initiation.completing) this.#send(peer, initiation.message);
  }

  /** Does what the clock asks of the peer's handshake. */
  due(peer: Peer, now: number): void {
    const { initiation, attempt } = peer;
    const expired = initiation !== undefined && now >= initiation.beganAt + keyLifeMs;
    if (expired) {
      this.#core.drop('timeout', peer.endpoint, peer, 'handshake unfinished after 180 s');
      this.#core.cancelInitiation(peer);
    }
    if (attempt?.told === false && now >= attempt.since + unansweredMs) {
      attempt.told = true;
      this.#core.drop('timeout', peer.endpoint, peer, 'no answer for 30 s');
    }
    if ((expired && begins(peer)) || now >= peer.nextExchangeAt) this.begin(peer, now);
    else if (!expired && initiation !== undefined && now >= initiation.resendAt) this.#resend(peer, initiation, now);
  }

  /** RespHello: the costly proof is tried in a worker, one at a time. */
  answered(received: Received, ciphertext: CiphertextEncoding): void {
    const { message, source, key, version, now } = received;
    const { peers, admission, jobs } = this.#core;
    const peer = peers.inSession(respHelloFields(message).sidi);
    const initiation = peer?.initiation;
    const refuse = (reason: Parameters<ExchangeCore['drop']>[0]) => this.#core.drop(reason, source, peer);
    if (initiation?.phase !== 'hello' || initiation.ownKey !== key.index) return refuse('state');
    if (initiation.dialect.version !== version) return refuse('version');
    if (initiation.dialect.ciphertext !== ciphertext) return refuse('encoding');
    if (initiation.completing) return refuse('state');
    if (!admission.takeAnswer(source, now)) return refuse('rate');
    if (!jobs.hasRoom('live')) return refuse('queue');
    initiation.completing = true;
    const job = {
      step: 'complete',
      ...initiation.dialect,
      ownKey: initiation.ownKey,
      respHello: message.slice(),
      ck: initiation.ck.slice(),
      kyberSecret: initiation.kyberSecret.slice(),
      epki: initHelloFields(initiation.message).epki.slice(),
    } as const;
    const kept = { ...received, message: message.slice() };
    jobs.push('live', job, (result, now) => this.#completed(peer as Peer, initiation, { ...kept, now }, result));
  }

  /** CookieReply: its value goes into what is sent from now on, and the InitHello is sent again at once. */
  asked(message: Uint8Array, source: Endpoint, now: number): void {
    const core = this.#core;
    const peer = core.peers.inSession(cookieReplyFields(message).sid);
    const initiation = peer?.initiation;
    if (peer === undefined || initiation?.phase !== 'hello') return core.drop('state', source, peer);
    const value = openCookieReply(core.suites, peer.key.prefixes, initiation.message, message);
    if (value === undefined || message.length !== initiation.message.length) return core.drop('cookie', source, peer);
    // The value that is already in use gains nothing by another message: two sides could go on like that for ever.
    if (peer.cookie !== undefined && timingSafeEqual(peer.cookie.value, value)) {
      return core.drop('replay', source, peer);
    }
    peer.cookie?.value.fill(0);
    peer.cookie = { value, until: now + cookieLifeMs };
    this.#transmit(peer, initiation, now);
  }

  /** EmptyData: the responder has the key too. */
  confirmed({ message, source, key, version }: Received): void {
    const core = this.#core;
    const { sid, counter, auth } = emptyDataFields(message);
    const peer = core.peers.inSession(sid);
    const initiation = peer?.initiation;
    if (peer === undefined || initiation?.phase !== 'confirm' || initiation.ownKey !== key.index) {
      return core.drop('state', source, peer);
    }
    if (initiation.dialect.version !== version) return core.drop('version', source, peer);
    const nonce = new Uint8Array(12);
    nonce.set(counter);
    if (core.suites[version].ciphers.open(initiation.answerKey, nonce, auth) === undefined) {
      return core.drop('decaps_auth', source, peer);
    }
    core.cancelInitiation(peer);
    peer.endpoint = source;
    // The peer took this handshake and gave up any of its own, so an InitConf of one that is still on its way is void.
    peer.lastBiscuit = core.biscuits;
  }

  #begun(peer: Peer, initiation: Initiation, result: StepResult, now: number): void {
    const core = this.#core;
    if (peer.initiation !== initiation) return eraseSecrets(result);
    core.touch(peer);
    if (result.step !== 'initiate') {
      core.cancelInitiation(peer);
      peer.nextExchangeAt = now + failedAgainMs;
      return core.dropFailed(result, undefined, peer);
    }
    const { initHello: message, ck, kyberSecret } = result;
    writeMac(core.suites[initiation.dialect.version], peer.key.prefixes, message);
    const hello: Hello = {
      ...initiation,
      phase: 'hello',
      message,
      ck,
      kyberSecret,
      completing: false,
      unanswered: 0,
    };
    peer.initiation = hello;
    this.#transmit(peer, hello, now);
  }

  #completed(peer: Peer, initiation: Hello, { message, source, now }: Received, result: StepResult): void {
    const core = this.#core;
    if (peer.initiation !== initiation) return eraseSecrets(result);
    initiation.completing = false;
    if (result.step !== 'complete') return core.dropFailed(result, source, peer);
    const suite = core.suites[initiation.dialect.version];
    using ck = new ChainingKey(suite, result.ck);
    eraseSecrets(result);
    const initConf = blankMessage('initConf', initConfBytes);
    const [fields, answer] = [initConfFields(initConf), respHelloFields(message)];
    fields.sidi.set(answer.sidi);
    fields.sidr.set(answer.sidr);
    fields.biscuit.set(answer.biscuit);
    ck.mix(answer.sidi, answer.sidr);
    fields.auth.set(ck.encrypt());
    writeMac(suite, peer.key.prefixes, initConf);
    const { sidi, dialect, ownKey, beganAt } = initiation;
    dropInitiation(peer);
    const answerKey = ck.derive('responderKey');
    const confirm: Initiation = {
      phase: 'confirm',
      sidi,
      dialect,
      ownKey,
      beganAt,
      resendAt: Infinity,
      sends: 0,
      message: initConf,
      answerKey,
      liveAt: now,
    };
    peer.initiation = confirm;
    core.exchanged(peer, ck, { role: 'initiator', dialect, ownKey }, source, now);
    this.#transmit(peer, confirm, now);
  }

  #resend(peer: Peer, initiation: Initiation, now: number): void {
    if (initiation.phase === 'hello' && !initiation.completing && initiation.unanswered >= helloTries) {
      initiation.unanswered = 0;
      if (tryNextDialect(peer)) return this.begin(peer, now);
    }
    this.#transmit(peer, initiation, now);
  }

  /** Sends the handshake's message, with the cookie of the moment, and says when to send it again. */
  #transmit(peer: Peer, initiation: Initiation, now: number): void {
    if (initiation.phase === 'computing') return;
    this.#core.touch(peer);
    initiation.sends++;
    initiation.resendAt = now + resendDelay(initiation.sends, this.#core.unit());
    // The answer being tried may be the right one.
    if (initiation.phase === 'hello' && initiation.completing) return;
    if (initiation.phase === 'hello') initiation.unanswered++;
    this.#send(peer, initiation.message);
  }

  #send({ endpoint, cookie, attempt }: Peer, message: Uint8Array): void {
    if (endpoint === undefined) return;
    if (attempt !== undefined) noteTry(attempt, endpoint, message.length);
    writeCookie(this.#core.suites, cookie?.value, message);
    this.#core.emit({ effect: 'send', to: endpoint, bytes: message.slice() });
  }
}
