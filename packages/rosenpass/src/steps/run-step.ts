/**
 * Runs one heavy step: pure but for randomness (spec tunnel.md 5.5). What a stranger sent makes it give `failed`, never
 * throw. The secrets of the job are zeroed; the result's belong to who receives it.
 */
import { prefix, prefixesOf } from '../key-prefixes.ts';
import { blankMessage, initHelloBytes, initHelloFields, respHelloBytes, respHelloFields } from '../message/layout.ts';
import { ChainingKey } from './chaining-key.ts';
import type { OwnKeyPair, StepContext } from './step-context.ts';
import type { StepFailure, StepJob, StepResult } from './step-job.ts';

type Job<Step extends StepJob['step']> = Extract<StepJob, { step: Step }>;

const failed = (reason: StepFailure): StepResult => ({ step: 'failed', reason });

/** kem(pk, key, ct) of the spec; the key is zeroed. */
function mixKem(ck: ChainingKey, publicKey: Uint8Array, key: Uint8Array, ciphertext: Uint8Array): void {
  ck.mix(publicKey, key, ciphertext);
  key.fill(0);
}

/** S1. */
function initiate(context: StepContext, job: Job<'initiate'>, own: OwnKeyPair, peerKey: Uint8Array): StepResult {
  const suite = context.suites[job.version];
  const initHello = blankMessage('initHello', initHelloBytes(job.ciphertext));
  const fields = initHelloFields(initHello);
  using ck = new ChainingKey(suite, job.ckInit);
  const ephemeral = context.kyber.generate(context.random);
  fields.sidi.set(job.sidi);
  fields.epki.set(ephemeral.publicKey);
  ck.mix(fields.sidi, fields.epki);
  const toPeer = context.encapsulate(peerKey, job.ciphertext, context.random);
  fields.sctr.set(toPeer.ciphertext);
  mixKem(ck, peerKey, toPeer.key, fields.sctr);
  fields.pidiCt.set(ck.encrypt(prefix(own.prefixes, job.version, 'peerId')));
  ck.mix(own.publicKey, job.presharedKey);
  fields.auth.set(ck.encrypt());
  return { step: 'initiate', initHello, ck: ck.value(), kyberSecret: ephemeral.secret };
}

/** S2 up to the initiator's name. */
function open(context: StepContext, job: Job<'open'>, own: OwnKeyPair): StepResult {
  const { sidi, epki, sctr, pidiCt } = initHelloFields(job.initHello);
  using ck = new ChainingKey(context.suites[job.version], prefix(own.prefixes, job.version, 'ckInit'));
  ck.mix(sidi, epki);
  mixKem(ck, own.publicKey, own.decapsulate(sctr), sctr);
  const peerId = ck.decrypt(pidiCt);
  return peerId === undefined ? failed('decaps_auth') : { step: 'open', peerId, ck: ck.value() };
}

/** S2 from there on; the biscuit and what follows it are the main thread's. */
function answer(context: StepContext, job: Job<'answer'>, peerKey: Uint8Array): StepResult {
  const { sidi, epki, auth } = initHelloFields(job.initHello);
  using ck = new ChainingKey(context.suites[job.version], job.ck);
  ck.mix(peerKey, job.presharedKey);
  if (ck.decrypt(auth) === undefined) return failed('decaps_auth');
  if (!job.answer) return { step: 'authenticated' };
  const respHello = blankMessage('respHello', respHelloBytes(job.ciphertext));
  const fields = respHelloFields(respHello);
  fields.sidr.set(job.sidr);
  fields.sidi.set(sidi);
  ck.mix(fields.sidr, fields.sidi);
  const toEphemeral = context.kyber.encapsulate(epki, context.random);
  if (toEphemeral === undefined) return failed('decaps_auth');
  fields.ecti.set(toEphemeral.ciphertext);
  mixKem(ck, epki, toEphemeral.key, fields.ecti);
  const toPeer = context.encapsulate(peerKey, job.ciphertext, context.random);
  fields.scti.set(toPeer.ciphertext);
  mixKem(ck, peerKey, toPeer.key, fields.scti);
  return { step: 'answer', respHello, ck: ck.value() };
}

/** S3 up to the proof that the responder holds its key. */
function complete(context: StepContext, job: Job<'complete'>, own: OwnKeyPair): StepResult {
  const { sidr, sidi, ecti, scti, auth, biscuit } = respHelloFields(job.respHello);
  using ck = new ChainingKey(context.suites[job.version], job.ck);
  ck.mix(sidr, sidi);
  mixKem(ck, job.epki, context.kyber.decapsulate(job.kyberSecret, ecti), ecti);
  mixKem(ck, own.publicKey, own.decapsulate(scti), scti);
  ck.mix(biscuit);
  return ck.decrypt(auth) === undefined ? failed('decaps_auth') : { step: 'complete', ck: ck.value() };
}

function run(context: StepContext, job: StepJob): StepResult {
  const own = 'ownKey' in job ? context.ownKeys.get(job.ownKey) : undefined;
  const peerKey = 'peerKey' in job ? context.publicKeys.get(job.peerKey) : undefined;
  switch (job.step) {
    case 'initiate':
      return own && peerKey ? initiate(context, job, own, peerKey) : failed('key_missing');
    case 'open':
      return own ? open(context, job, own) : failed('key_missing');
    case 'answer':
      return peerKey ? answer(context, job, peerKey) : failed('key_missing');
    case 'complete':
      return own ? complete(context, job, own) : failed('key_missing');
    case 'describe':
      return peerKey ? { step: 'describe', prefixes: prefixesOf(context.suites, peerKey) } : failed('key_missing');
  }
}

const secretFields: ReadonlySet<string> = new Set(['ck', 'kyberSecret', 'presharedKey']);

/** Zeroes what is secret in a job or a result. */
export function eraseSecrets(value: StepJob | StepResult): void {
  for (const [name, field] of Object.entries<unknown>(value)) {
    if (secretFields.has(name) && field instanceof Uint8Array) field.fill(0);
  }
}

/** Runs the job and zeroes its secrets. Lengths are the sender's duty: a job comes from the state machine alone. */
export function runStep(context: StepContext, job: StepJob): StepResult {
  try {
    return run(context, job);
  } finally {
    eraseSecrets(job);
  }
}

/** The buffers of a job or a result, to move them to the other thread instead of copying them. */
export function transferList(value: StepJob | StepResult): ArrayBuffer[] {
  return Object.values(value).flatMap((field: unknown) =>
    field instanceof Uint8Array && field.buffer instanceof ArrayBuffer && field.byteLength === field.buffer.byteLength
      ? [field.buffer]
      : [],
  );
}
