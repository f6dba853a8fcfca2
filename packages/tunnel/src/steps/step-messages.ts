/** What the main thread and a step worker say to each other. Byte arrays are transferred, never copied. */
import type { StepJob, StepResult } from '@labmesh/rosenpass/steps/step-job';

export type ToStepWorker =
  /** First of all: where public keys lie, and how much of them stays in memory. */
  | { kind: 'start'; keysDir: string; cacheBytes: number }
  | { kind: 'own-key'; index: number; secretKey: Uint8Array; publicKey: Uint8Array }
  | { kind: 'forget-own-key'; index: number }
  | { kind: 'job'; jobId: number; job: StepJob }
  | { kind: 'generate'; jobId: number };

export type FromStepWorker =
  | { kind: 'result'; jobId: number; result: StepResult }
  | { kind: 'generated'; jobId: number; secretKey: Uint8Array; publicKey: Uint8Array };
