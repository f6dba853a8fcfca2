import { describe, expect, test } from 'bun:test';
import { openSuites } from '../hash/suite.ts';
import { prefix } from '../key-prefixes.ts';
import { beforeCookie, cookieFits, fittingMac, writeCookie, writeMac } from '../message/envelope.ts';
import { initHelloFields, respHelloFields } from '../message/layout.ts';
import { fingerprintA, fingerprintB, recordingSuites, vectorContext, vectorValue } from '../testing/vector-party.ts';
import { runStep, transferList } from './run-step.ts';
import type { StepJob, StepResult } from './step-job.ts';

const suites = await openSuites();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const handshake = { version: 'V03', ciphertext: 'r4-156', ownKey: 0 } as const;
const noted: Record<'a' | 'b', string[]> = { a: [], b: [] };
const a = vectorContext(recordingSuites(suites, noted.a), 'a');
const b = vectorContext(recordingSuites(suites, noted.b), 'b');
const prefixesOf = (context: typeof a) => context.ownKeys.get(0)!.prefixes;

function result<Step extends StepResult['step']>(found: StepResult, step: Step) {
  expect(found.step).toBe(step);
  return found as Extract<StepResult, { step: Step }>;
}

/** The values of the vector stand among the hashes in this order. */
function expectInOrder(hashes: readonly string[], indices: readonly number[]): void {
  let from = 0;
  for (const index of indices) {
    const at = hashes.indexOf(hex(vectorValue(index)), from);
    expect({ index, found: at >= from }).toEqual({ index, found: true });
    from = at + 1;
  }
}

const initiateJob = (): StepJob => ({
  step: 'initiate',
  ...handshake,
  peerKey: fingerprintB,
  presharedKey: vectorValue(4),
  ckInit: prefix(prefixesOf(b), 'V03', 'ckInit'),
  sidi: vectorValue(14),
});
const answerJob = (ck: Uint8Array, answer = true): StepJob => ({
  step: 'answer',
  ...handshake,
  peerKey: fingerprintA,
  presharedKey: vectorValue(4),
  initHello: vectorValue(26),
  ck,
  sidr: vectorValue(32),
  answer,
});
const completeJob = (): StepJob => ({
  step: 'complete',
  ...handshake,
  respHello: vectorValue(46),
  ck: vectorValue(25),
  kyberSecret: vectorValue(15),
  epki: vectorValue(16),
});

describe('the official vector', () => {
  test('S1: InitHello and five chaining keys', () => {
    const job = initiateJob();
    const { initHello, ck, kyberSecret } = result(runStep(a, job), 'initiate');
    writeMac(suites.V03, prefixesOf(b), initHello);
    writeCookie(suites, vectorValue(13), initHello);
    expect(hex(initHello)).toBe(hex(vectorValue(26)));
    expect(hex(ck)).toBe(hex(vectorValue(25)));
    expect(hex(kyberSecret)).toBe(hex(vectorValue(15)));
    expectInOrder(noted.a, [17, 20, 22, 23, 25]);
    expect(hex(initHelloFields(initHello).pidiCt)).toBe(hex(vectorValue(21)));
    expect(hex(initHelloFields(initHello).auth)).toBe(hex(vectorValue(24)));
    expect(job.step === 'initiate' && job.presharedKey.every((byte) => byte === 0)).toBe(true);
  });

  test('S2: the same chaining keys, the initiator by name, RespHello up to its biscuit', () => {
    const opened = result(runStep(b, { step: 'open', ...handshake, initHello: vectorValue(26) }), 'open');
    expect(hex(opened.peerId)).toBe(hex(prefix(prefixesOf(a), 'V03', 'peerId')));
    expect(hex(opened.ck)).toBe(hex(vectorValue(29)));
    const { respHello, ck } = result(runStep(b, answerJob(opened.ck)), 'answer');
    expect(opened.ck.every((byte) => byte === 0)).toBe(true);
    expectInOrder(noted.b, [27, 28, 29, 30, 31, 33, 36, 39]);
    expect(hex(ck)).toBe(hex(vectorValue(39)));
    const end = 780 + 156;
    expect(hex(respHello.subarray(0, end))).toBe(hex(vectorValue(46).subarray(0, end)));
  });

  test('S3: the responder proves its key', () => {
    const { ck } = result(runStep(a, completeJob()), 'complete');
    expectInOrder(noted.a, [17, 20, 22, 23, 25, 33, 36, 39, 44, 45]);
    expect(hex(ck)).toBe(hex(vectorValue(45)));
  });

  test('macs and cookies are those of the vector', () => {
    const keys = [{ prefixes: prefixesOf(a) }, { prefixes: prefixesOf(b) }];
    for (const [index, receiver] of [26, 46, 47, 48].entries()) {
      const message = vectorValue(receiver);
      const key = keys[index % 2 === 0 ? 1 : 0];
      expect(fittingMac(suites, keys, message)).toEqual({ key: key!, version: 'V03' });
      expect(beforeCookie(message)).toHaveLength(message.length - 16);
    }
    expect(cookieFits(suites, vectorValue(13), vectorValue(47))).toBe(true);
    expect(cookieFits(suites, vectorValue(13), vectorValue(46))).toBe(false);
  });
});

describe('what does not prove itself', () => {
  test('no flipped bit of a ciphertext or tag gets through', () => {
    const { sctr, pidiCt, epki } = { sctr: 820, pidiCt: 970, epki: 100 };
    for (const at of [4, epki, sctr, pidiCt]) {
      const initHello = vectorValue(26);
      initHello[at] = (initHello[at] ?? 0) ^ 0x40;
      expect(runStep(b, { step: 'open', ...handshake, initHello })).toEqual({ step: 'failed', reason: 'decaps_auth' });
    }
    for (const field of Object.keys(respHelloFields(vectorValue(46))) as (keyof ReturnType<typeof respHelloFields>)[]) {
      const job = completeJob();
      const bytes = respHelloFields(job.step === 'complete' ? job.respHello : vectorValue(46))[field];
      bytes[1] = (bytes[1] ?? 0) ^ 1;
      expect(runStep(a, job)).toEqual({ step: 'failed', reason: 'decaps_auth' });
    }
  });

  test('another pre-shared key, or an auth for someone else, is refused', () => {
    const job = answerJob(vectorValue(29));
    if (job.step === 'answer') job.presharedKey[0] = (job.presharedKey[0] ?? 0) ^ 1;
    expect(runStep(b, job)).toEqual({ step: 'failed', reason: 'decaps_auth' });
  });

  test('an ephemeral key that is none fails, as a real key never does', () => {
    const job = answerJob(vectorValue(29));
    const noKey = { ...b, kyber: { ...b.kyber, encapsulate: () => undefined } };
    expect(runStep(noKey, job)).toEqual({ step: 'failed', reason: 'decaps_auth' });
  });

  test('without `answer` it ends once the peer is known', () => {
    expect(runStep(b, answerJob(vectorValue(29), false))).toEqual({ step: 'authenticated' });
  });

  test('keys that are not there', () => {
    const missing = { step: 'failed', reason: 'key_missing' } as const;
    expect(runStep({ ...a, ownKeys: new Map() }, completeJob())).toEqual(missing);
    expect(runStep({ ...a, publicKeys: { get: () => undefined } }, initiateJob())).toEqual(missing);
    expect(runStep(a, { step: 'describe', peerKey: 'sha256:00' })).toEqual(missing);
  });
});

test('a described key has the prefixes of the own key', () => {
  const { prefixes } = result(runStep(a, { step: 'describe', peerKey: fingerprintB }), 'describe');
  expect(prefixes).toEqual(prefixesOf(b));
});

test('jobs and results move whole buffers, and leave alone what is a view of another', () => {
  const job = initiateJob();
  expect(transferList(job)).toHaveLength(3);
  const { ckInit: _ckInit, ...rest } = job as Extract<StepJob, { step: 'initiate' }>;
  expect(transferList({ ...rest, ckInit: prefixesOf(b).subarray(192, 224) })).toHaveLength(2);
  expect(transferList(runStep(a, completeJob()))).toHaveLength(1);
});
