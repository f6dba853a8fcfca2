/**
 * The thread of the heavy steps (R5). It holds own secret keys and a cache of public ones, and knows nothing of peers,
 * sessions or sockets. An entry point of its own in the single-file program.
 */
import { randomBytes } from 'node:crypto';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { PublicKeyCache } from '@labmesh/rosenpass/steps/public-key-cache';
import { runStep, transferList } from '@labmesh/rosenpass/steps/run-step';
import { openOwnKey, openStepContext, type StepContext } from '@labmesh/rosenpass/steps/step-context';
import { readPublicKey } from '../keys/public-key-files.ts';
import type { FromStepWorker, ToStepWorker } from './step-messages.ts';

declare const self: Worker;

/** A copy of its own: Node's small buffers share one array, which must not be transferred. */
const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

let context: StepContext | undefined;
/** Messages are answered one after another, the first of them (`start`) included, which takes a moment. */
let last = Promise.resolve();

const answer = (message: FromStepWorker, buffers: ArrayBuffer[]) => self.postMessage(message, buffers);

function dropOwnKey(index: number): void {
  context?.ownKeys.get(index)?.[Symbol.dispose]();
  context?.ownKeys.delete(index);
}

async function take(message: ToStepWorker): Promise<void> {
  if (message.kind === 'start') {
    const { keysDir, cacheBytes } = message;
    const publicKeys = new PublicKeyCache((fingerprint) => readPublicKey(keysDir, fingerprint), cacheBytes);
    context = await openStepContext(publicKeys, random);
    return;
  }
  if (context === undefined) throw new Error('a step worker was not started');
  if (message.kind === 'own-key') {
    dropOwnKey(message.index);
    context.ownKeys.set(message.index, openOwnKey(context.suites, message.publicKey, message.secretKey));
    message.secretKey.fill(0);
  } else if (message.kind === 'forget-own-key') dropOwnKey(message.index);
  else if (message.kind === 'generate') {
    const { secretKey, publicKey } = generateKeyPair(random, 'pc');
    answer({ kind: 'generated', jobId: message.jobId, secretKey, publicKey }, []);
    // That was a copy.
    secretKey.fill(0);
  } else {
    const result = runStep(context, message.job);
    answer({ kind: 'result', jobId: message.jobId, result }, transferList(result));
  }
}

self.addEventListener('message', ({ data }: MessageEvent<ToStepWorker>) => {
  last = last.then(() => take(data));
  // The pool hears of it as the death of this thread.
  last.catch((error: unknown) => {
    setTimeout(() => {
      throw error;
    });
  });
});
