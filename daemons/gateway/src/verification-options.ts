import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { verificationLimits, verificationModes } from '@labmesh/wire/verification/verification-block';

const mebibyte = 1024 * 1024;

/** Where the arena is, and what is verified when neither the request nor its key nor its alias says. */
export const verificationOptions = defineOptions({
  arenaUrl: {
    type: 'string',
    env: 'ARENA_ENDPOINT',
    file: 'gateway.arena_url',
    placeholder: 'URL',
    help: 'address of the arena; http:// on loopback only',
  },
  arenaSocket: {
    type: 'string',
    file: 'gateway.arena_socket',
    placeholder: 'FILE',
    help: 'Unix socket of the arena, in place of its address',
  },
  arenaCaFile: {
    type: 'string',
    file: 'gateway.arena_ca_file',
    placeholder: 'FILE',
    help: "PEM of the authority that signs the arena's certificate",
  },
  arenaCertFile: {
    type: 'string',
    file: 'gateway.arena_cert_file',
    placeholder: 'FILE',
    help: 'PEM certificate that is shown to the arena',
  },
  arenaKeyFile: {
    type: 'string',
    file: 'gateway.arena_key_file',
    placeholder: 'FILE',
    help: 'private key of that certificate, PEM',
  },
  internalKeyFile: {
    type: 'string',
    file: 'gateway.internal_key_file',
    placeholder: 'FILE',
    help: 'secret that gateway and arena share; made at the first start; default: one of this run',
  },
  verificationMode: {
    type: 'string',
    default: 'passthrough',
    choices: verificationModes,
    file: 'verification.mode',
    placeholder: 'MODE',
    help: 'what is done with answers to keys without a mode of their own',
  },
  verificationSample: {
    type: 'number',
    default: 1,
    min: 0,
    max: 1,
    file: 'verification.sample',
    help: 'share of answers that audit and shadow look at',
  },
  verificationOnInvalid: {
    type: 'string',
    default: 'error',
    choices: ['error', 'return_unverified'],
    file: 'verification.on_invalid',
    placeholder: 'WORD',
    help: 'when no answer passes and the request has no on_fail: 422, or the best answer marked as invalid',
  },
  verificationWaitMs: {
    type: 'integer',
    default: 60_000,
    min: 1,
    max: verificationLimits.waitMs,
    file: 'verification.max_wait_ms',
    help: 'longest verification of an answer',
  },
  verificationWaitingMax: {
    type: 'integer',
    default: 1_000,
    min: 0,
    max: 100_000,
    file: 'verification.waiting_max',
    help: 'answers that wait for the arena; more are not looked at, or refused when the verdict comes first',
  },
  verificationHeldBytesMax: {
    type: 'integer',
    default: 64 * mebibyte,
    min: mebibyte,
    file: 'verification.held_bytes',
    help: 'answers kept for audit and shadow at once, bytes',
  },
  verificationCommentS: {
    type: 'number',
    default: 10,
    min: 0.1,
    file: 'verification.comment_s',
    help: 'time between comments of a stream that waits for its verdict',
  },
  verificationCacheMax: {
    type: 'integer',
    default: 10_000,
    min: 0,
    file: 'verification.cache_entries',
    help: 'verified answers that are given again; 0 = none',
  },
  verificationCacheS: {
    type: 'number',
    default: 3_600,
    min: 1,
    file: 'verification.cache_s',
    help: 'how long a verified answer is given again',
  },
  verificationCacheBytesMax: {
    type: 'integer',
    default: 64 * mebibyte,
    min: mebibyte,
    file: 'verification.cache_bytes',
    help: 'verified answers kept, bytes',
  },
  compatVaas: {
    type: 'boolean',
    default: false,
    file: 'compat.vaas',
    help: 'verified answers carry the block shadow_arena too',
  },
});

export type VerificationOptions = OptionValues<typeof verificationOptions>;
