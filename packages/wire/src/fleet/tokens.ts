/** Join tokens (JT-1, JT-2): what a machine, a bastion or a service shows once to get its first certificate. */
import { z } from 'zod';
import { idField, labelKeyField, labelValueField, pageQuery, revisionField, timeField } from './resources/fields.ts';

export const tokenTypes = ['one-time', 'reusable'] as const;
export const tokenKinds = ['agent', 'bastion', 'service'] as const;
export const tokenStates = ['live', 'used', 'expired', 'revoked'] as const;

/** `lmj_<8 Crockford base32, lower case>_<32 bytes base64url>`. Only the SHA-256 of the whole text is stored. */
export const joinTokenPattern = /^lmj_[0-9a-hjkmnp-tv-z]{8}_[A-Za-z0-9_-]{43}$/;

const hourMs = 3_600_000;
export const tokenTtlMs = {
  default: 30 * 60_000,
  /** Most, by type. */
  'one-time': 24 * hourMs,
  reusable: 30 * 24 * hourMs,
  /** What a bastion mints for one install (JT-8). */
  bastionMinted: hourMs,
} as const;
export const tokenUsesMax = { default: 50, most: 10_000 } as const;

/** Lower case, colons: `52:54:00:ab:cd:ef`. Dashes and capitals are taken too. */
export const macField = z
  .string()
  .max(17)
  .transform((text) => text.toLowerCase().replaceAll('-', ':'))
  .pipe(z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'is not a MAC address'));

const wordField = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9._-]+$/, 'is not a word');

/** A host name in which `*` stands for any run of characters. */
export const hostnameGlobField = z
  .string()
  .max(253)
  .transform((text) => text.toLowerCase())
  .pipe(z.string().regex(/^[a-z0-9*]([a-z0-9.*-]*[a-z0-9*])?$/, 'is not a host name or pattern'));

const tokenLabelsField = z
  .record(
    labelKeyField.refine((key) => !key.startsWith('facts.'), 'facts.* is reported by the agent'),
    labelValueField,
  )
  .refine((labels) => Object.keys(labels).length <= 64, 'has more than 64 labels');

/** What a token binds its use to, and what it gives to the server that joins. Stored as JSON. */
export const tokenScopeSchema = z.object({
  labels: tokenLabelsField.default({}),
  environment: wordField.nullable().default(null),
  cloud: wordField.nullable().default(null),
  role: wordField.nullable().default(null),
  hostname: hostnameGlobField.nullable().default(null),
  macs: z.array(macField).max(64).default([]),
  /** `10.0.0.0/8`, `fd00::/8`, or one address. */
  cidrs: z
    .array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))
    .max(64)
    .default([]),
  /** A known server may be taken over by this token: reinstalls (JT-7). */
  takeover: z.boolean().default(false),
  /** Whoever joins waits for an operator. */
  approve: z.boolean().default(false),
});
export type TokenScope = z.infer<typeof tokenScopeSchema>;

export const createTokenSchema = tokenScopeSchema
  .extend({
    type: z.enum(tokenTypes).default('one-time'),
    kind: z.enum(tokenKinds).default('agent'),
    ttlMs: z.int().min(1_000).max(tokenTtlMs.reusable).default(tokenTtlMs.default),
    /** Reusable tokens only; a one-time token has one use. */
    maxUses: z.int().min(1).max(tokenUsesMax.most).optional(),
  })
  .strict()
  .refine((token) => token.type === 'reusable' || token.ttlMs <= tokenTtlMs['one-time'], {
    path: ['ttlMs'],
    message: 'is above 24 h, the most for a one-time token',
  })
  .refine((token) => token.type === 'reusable' || token.maxUses === undefined || token.maxUses === 1, {
    path: ['maxUses'],
    message: 'a one-time token has one use',
  })
  .refine((token) => token.kind === 'agent' || !token.approve, {
    path: ['approve'],
    message: 'only agents can wait for approval',
  });
export type CreateToken = z.input<typeof createTokenSchema>;

/** A token as it is listed: never its text or its hash. */
export const tokenSchema = tokenScopeSchema.extend({
  id: idField,
  /** `lmj_<id8>`. */
  prefix: z.string(),
  type: z.enum(tokenTypes),
  kind: z.enum(tokenKinds),
  state: z.enum(tokenStates),
  maxUses: z.int(),
  uses: z.int(),
  /** Principal text: `user:alice`. */
  createdBy: z.string(),
  createdAt: timeField,
  expiresAt: timeField,
  /** Of the last use. */
  usedAt: timeField.nullable(),
  revokedAt: timeField.nullable(),
  revision: revisionField,
});
export type Token = z.infer<typeof tokenSchema>;

/** The one answer that holds the text. `joinCommand` reads it from stdin; `joinCommandArgv` shows it to `ps`. */
export const createdTokenSchema = tokenSchema.extend({
  token: z.string().regex(joinTokenPattern),
  joinCommand: z.string(),
  joinCommandArgv: z.string(),
});
export type CreatedToken = z.infer<typeof createdTokenSchema>;

export const tokenQuerySchema = z.object({
  ...pageQuery,
  state: z.enum(tokenStates).optional(),
  kind: z.enum(tokenKinds).optional(),
});
export type TokenQuery = z.infer<typeof tokenQuerySchema>;
