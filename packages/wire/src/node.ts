/** What a node tells its Conplane over HTTP: registration, status, capabilities (network plane 2.4 R12, 3.3). */
import { z } from 'zod';
import {
  amountField,
  countField,
  idField,
  modelIdField,
  nodeModeField,
  nodeStateField,
  rolesField,
  slotsField,
  slugField,
  tenantField,
  textField,
  timestampField,
} from './link/fields.ts';

/** N8: one servable (tenant, endpoint, model). Estimates are over 15 minutes and absent below 5 requests. */
export const nodeSlugSchema = z.object({
  slug: slugField,
  tenant: tenantField,
  /** The endpoint's reported name, never its address. */
  endpoint: z.string().min(1).max(64),
  model_id: modelIdField,
  context_length: countField.optional(),
  roles: rolesField.optional(),
  slots: slotsField,
  slots_free: slotsField,
  healthy: z.boolean(),
  ttft_ms_p50: amountField.optional(),
  decode_tps_p50: amountField.optional(),
  /** Per million tokens, in the operator's currency. */
  cost_in: amountField.optional(),
  cost_out: amountField.optional(),
});
export type NodeSlug = z.infer<typeof nodeSlugSchema>;

const nodeModel = z.object({
  id: modelIdField,
  created: countField.optional(),
  owned_by: z.string().max(256).optional(),
  context_length: countField.optional(),
});

/** R12. `rev` rises with each change; metadata that is neither of these is flattened beside them, so the object is loose. */
export const nodeCapabilitiesSchema = z.looseObject({
  models: z.array(nodeModel).max(4_096),
  endpoint_count: countField,
  max_concurrent_requests: countField,
  supports_streaming: z.boolean(),
  supports_chat: z.boolean(),
  supports_completions: z.boolean(),
  slugs: z.array(nodeSlugSchema).max(4_096).optional(),
  rev: countField.optional(),
});
export type NodeCapabilities = z.infer<typeof nodeCapabilitiesSchema>;

/** N7. */
export const nodeStatusSchema = z.object({
  node_id: idField,
  state: nodeStateField,
  healthy_endpoints: countField,
  total_endpoints: countField,
  active_requests: countField,
  total_requests: countField,
  total_errors: countField,
  uptime_seconds: amountField,
  timestamp: timestampField,
  error_message: textField.optional(),
});
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

/** Fingerprint of a Rosenpass public key: 64 hex digits, with or without `sha256:` before them. */
const digestField = z.string().regex(/^(sha256:)?[0-9a-f]{64}$/, 'expected 64 hex digits');

export const tunnelStatusSchema = z.object({
  state: idField,
  /** True only while the post-quantum exchange is fresh. */
  pq: z.boolean(),
  handshake_age_s: amountField.nullable(),
  /** The hub's key that this node takes beside the present one (tunnel K8); absent when there is none. */
  next_rosenpass_sha256: digestField.optional(),
  /** The hub's WireGuard key that it waits for beside the present one (tunnel K8). */
  next_wireguard_public_key: z.string().max(64).optional(),
});

/** The node's own heartbeat on the link: its status, mode and tunnel, and its capabilities when `rev` changed. */
export const nodeHeartbeatSchema = z.object({
  ...nodeStatusSchema.shape,
  mode: nodeModeField,
  tunnel: tunnelStatusSchema,
  capabilities: nodeCapabilitiesSchema.optional(),
});

/** N6. */
export const nodeInfoSchema = z.object({
  id: idField,
  region: z.string().max(64).optional(),
  description: z.string().max(256).optional(),
  capabilities: nodeCapabilitiesSchema,
  registered_at: timestampField.optional(),
  version: z.string().max(64),
});
export type NodeInfo = z.infer<typeof nodeInfoSchema>;

/** Names of versions and encodings; unknown ones are passed over. */
const capabilityNames = z.array(z.string().max(32)).max(16);

/**
 * N3. A Rosenpass key is 524,160 bytes: its base64, or '' beside a digest that the Conplane knows. Tunnel K4: who knows the
 * hub's key says so, and is not sent it again; `tunnel_caps` absent means V02 and pc188. Tunnel K8: who is about to use
 * another WireGuard key names it, with the hex of HMAC-SHA256 under the last exchange's link key over `labmesh next node
 * wireguard key`, the present and the next key, a line each.
 */
export const nodeRegisterRequestSchema = z.object({
  token: z.string().min(1).max(256),
  node_info: nodeInfoSchema,
  wireguard_public_key: z.string().max(64),
  rosenpass_public_key: z.string().max(700_000),
  rosenpass_public_key_sha256: digestField.optional(),
  known_rosenpass_sha256: digestField.optional(),
  known_next_rosenpass_sha256: digestField.optional(),
  next_wireguard_public_key: z.string().max(64).optional(),
  next_wireguard_proof: z.string().max(64).optional(),
  tunnel_caps: z.object({ versions: capabilityNames, ciphertexts: capabilityNames }).optional(),
  /** Of its proxy on the tunnel address; absent: 8080. Other replicas reach the node by nothing else (tunnel H6). */
  proxy_port: z.int().min(1).max(65_535).optional(),
});
export type NodeRegisterRequest = z.infer<typeof nodeRegisterRequestSchema>;

/**
 * N3 and N4. Tunnel K8: a hub that changes its Rosenpass key names the next one beside the present. `next_rosenpass_proof` is
 * the hex of HMAC-SHA256 under the last exchange's link key over `labmesh next hub key`, the present and the next fingerprint,
 * a line each; without it nothing is taken. `wireguard_proof` is the same over `labmesh hub wireguard keys`, the present
 * Rosenpass fingerprint, the present WireGuard key and the next one, or `none`. `next_wireguard_public_key` beside `success`
 * is the node's own: the hub answers it from now on, too, and proves so over `labmesh next node wireguard key taken`, the
 * present and the next key of the node.
 */
export const nodeRegisterAnswerSchema = z.looseObject({
  success: z.boolean(),
  node_id: idField.optional(),
  message: textField.nullish(),
  wireguard_address: z.string().max(64).nullish(),
  next_wireguard_public_key: z.string().max(64).optional(),
  next_wireguard_proof: z.string().max(64).optional(),
  conplane: z
    .looseObject({
      tunnel_address: z.string().max(64),
      wireguard_public_key: z.string().max(64),
      wireguard_endpoint: z.string().max(256),
      rosenpass_public_key: z.string().max(700_000).optional(),
      rosenpass_sha256: z.string().max(71).optional(),
      rosenpass_endpoint: z.string().max(256).optional(),
      rosenpass_version: z.string().max(32).optional(),
      rosenpass_ciphertext: z.string().max(32).optional(),
      next_rosenpass_sha256: z.string().max(71).optional(),
      next_rosenpass_public_key: z.string().max(700_000).optional(),
      next_rosenpass_proof: z.string().max(64).optional(),
      next_wireguard_public_key: z.string().max(64).optional(),
      wireguard_proof: z.string().max(64).optional(),
    })
    .optional(),
  heartbeat_s: z.number().int().min(1).max(3_600).optional(),
  proto: z.array(countField).max(8).optional(),
  need_rosenpass_key: z.boolean().optional(),
});
export type NodeRegisterAnswer = z.infer<typeof nodeRegisterAnswerSchema>;

/** N5. `mode` and `tunnel` as on the link. */
export const nodeHeartbeatRequestSchema = z.object({
  node_id: idField,
  status: nodeStatusSchema,
  mode: nodeModeField.optional(),
  tunnel: tunnelStatusSchema.optional(),
  capabilities: nodeCapabilitiesSchema.optional(),
});
export const nodeHeartbeatAnswerSchema = z.looseObject({
  success: z.boolean(),
  message: textField.nullish(),
  requested_state: z.string().max(64).nullish(),
  /** The keys of this replica's hub (tunnel K8); what they are worth is settled by registering. */
  conplane: z
    .looseObject({
      rosenpass_sha256: z.string().max(71),
      next_rosenpass_sha256: z.string().max(71).optional(),
      /** The key before the present one, while it answers. */
      previous_rosenpass_sha256: z.string().max(71).optional(),
      wireguard_public_key: z.string().max(64).optional(),
      next_wireguard_public_key: z.string().max(64).optional(),
    })
    .optional(),
});
export type NodeHeartbeatRequest = z.infer<typeof nodeHeartbeatRequestSchema>;
export type NodeHeartbeatAnswer = z.infer<typeof nodeHeartbeatAnswerSchema>;
