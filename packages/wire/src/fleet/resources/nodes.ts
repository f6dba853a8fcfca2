/** Nodes (sites of the network plane) and their tokens, as the operator sees them. What a node told is hostile text. */
import { z } from 'zod';
import { nodeModeField, nodeStateField, tenantField } from '../../link/fields.ts';
import { nodeTokenPattern } from '../../ids.ts';
import { idField, nameField, pageQuery, revisionField, timeField } from './fields.ts';

/** By the age of the last heartbeat (network plane H6); `banned` is what an operator said. */
export const nodeStatuses = ['online', 'stale', 'offline', 'banned'] as const;
const nodeStatusField = z.enum(nodeStatuses);
export type NodeLiveness = z.infer<typeof nodeStatusField>;

const regionField = z
  .string()
  .min(1)
  .max(64)
  .regex(/^\P{Cc}*$/u, 'holds control characters');

const countField = z.int().min(0);

export const nodeSchema = z.object({
  id: idField,
  name: nameField,
  status: nodeStatusField,
  /** '' is the operator's default. */
  tenant: z.string(),
  region: z.string().nullable(),
  description: z.string().nullable(),
  version: z.string().nullable(),
  /** What the node last said of itself; null before its first heartbeat. */
  state: nodeStateField.nullable(),
  mode: nodeModeField.nullable(),
  error: z.string().nullable(),
  models: countField,
  slugs: countField,
  healthyEndpoints: countField,
  totalEndpoints: countField,
  activeRequests: countField,
  totalRequests: countField,
  totalErrors: countField,
  uptimeSeconds: z.number().min(0).nullable(),
  /** Inside the tunnel; null without one. */
  address: z.string().nullable(),
  /** Base64. */
  wireguardPublicKey: z.string().nullable(),
  /** `sha256:` and 64 hex digits. */
  rosenpassSha256: z.string().nullable(),
  lastSeenAt: timeField.nullable(),
  /** Of the last registration. */
  registeredAt: timeField.nullable(),
  createdAt: timeField,
  revision: revisionField,
});
export type FleetNode = z.infer<typeof nodeSchema>;

/** One node with the ids of its models. */
export const nodeDetailSchema = nodeSchema.extend({ modelIds: z.array(z.string()) });
export type FleetNodeDetail = z.infer<typeof nodeDetailSchema>;

export const nodeQuerySchema = z.object({
  ...pageQuery,
  tenant: tenantField.optional(),
  status: nodeStatusField.optional(),
  /** Part of the name. */
  q: z.string().max(253).optional(),
});

const dayMs = 86_400_000;
/** A node shows its token for as long as it lives, so a token lives long. */
export const nodeTokenTtlMs = { default: 365 * dayMs, most: 3_650 * dayMs, overlap: dayMs } as const;
/** `bound`: its node has used it. */
export const nodeTokenStates = ['unused', 'bound', 'expired', 'revoked'] as const;

export const createNodeTokenSchema = z
  .object({
    /** What its node will be called. */
    name: nameField.refine((name) => name.length <= 64, 'has more than 64 characters').optional(),
    region: regionField.optional(),
    tenant: tenantField.default(''),
    ttlMs: z.int().min(1_000).max(nodeTokenTtlMs.most).default(nodeTokenTtlMs.default),
    /** Its node may come back with other keys (tunnel K6). */
    allowRekey: z.boolean().default(false),
  })
  .strict();
export type CreateNodeToken = z.input<typeof createNodeTokenSchema>;

/** A token as it is listed: never its text or its hash. */
export const nodeTokenSchema = z.object({
  id: idField,
  /** `lmn_` and 10 letters and digits. */
  prefix: z.string(),
  state: z.enum(nodeTokenStates),
  name: z.string().nullable(),
  /** The node that it is bound to. */
  nodeId: idField.nullable(),
  region: z.string().nullable(),
  tenant: z.string(),
  allowRekey: z.boolean(),
  createdBy: z.string(),
  createdAt: timeField,
  expiresAt: timeField,
  /** Of the last registration with it. */
  usedAt: timeField.nullable(),
  revokedAt: timeField.nullable(),
  revision: revisionField,
});
export type FleetNodeToken = z.infer<typeof nodeTokenSchema>;

/** The one answer that holds the text. */
export const createdNodeTokenSchema = nodeTokenSchema.extend({
  token: z.string().regex(nodeTokenPattern),
  /** `labmesh-node:1:` and base64url of {url, token, ca_sha256, wg_public_key, rp_sha256} (network plane N2). */
  onboarding: z.string(),
  /** Reads the onboarding string from stdin. */
  joinCommand: z.string(),
});
export type CreatedNodeToken = z.infer<typeof createdNodeTokenSchema>;
