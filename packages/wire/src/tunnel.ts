/**
 * The tunnel as its operator sees it (tunnel V5, V6): the same shapes from labd's API and from labman's socket. Keys are
 * public ones; a secret has no place in any of them.
 */
import { z } from 'zod';
import { timeField } from './fleet/resources/fields.ts';

/** Raw bytes of a Rosenpass public key (Classic McEliece 460896). */
export const rosenpassPublicKeyBytes = 524_160;

export const tunnelBackends = ['kernel', 'wireguard-go', 'native'] as const;
export const tunnelIsolations = ['netns', 'filter', 'none'] as const;
export const rosenpassVersions = ['V02', 'V03'] as const;
export const rosenpassCiphertexts = ['pc188', 'r4-156'] as const;

/** V1: `active` is said only while it is proven. */
export const pqStates = ['active', 'stale', 'off'] as const;
export const pqReasons = [
  'ok',
  'no_exchange',
  'exchange_expired',
  'write_failed',
  'session_predates_key',
  'no_session',
  'clock_jump',
  'no_key',
  'permissive_fallback',
] as const;

/** `sha256:` and 64 hex digits (K2). */
export const fingerprintField = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'is not sha256: and 64 hex digits');
/** The same as people paste it: without its head, with spaces or colons between groups. */
export const fingerprintInput = z
  .string()
  .max(160)
  .transform(
    (text) =>
      `sha256:${text
        .trim()
        .toLowerCase()
        .replace(/^sha256:/, '')
        .replaceAll(/[\s:-]/g, '')}`,
  )
  .pipe(fingerprintField);
const base64Of32Bytes = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
/** 32 bytes in base64. */
export const wireguardKeyField = z.string().regex(base64Of32Bytes, 'is not a WireGuard key');

const ageField = z.number().min(0).nullable();

export const tunnelPeerSchema = z.object({
  id: z.string(),
  name: z.string(),
  wireguardPublicKey: wireguardKeyField,
  /** The key that it is about to use (K8): takes the place of the other with its first handshake. */
  nextWireguardPublicKey: wireguardKeyField.optional(),
  rosenpassSha256: fingerprintField.nullable(),
  address: z.string(),
  endpoint: z.string().nullable(),
  mode: z.enum(['strict', 'permissive']),
  pq: z.enum(pqStates),
  pqReason: z.enum(pqReasons),
  /** Since when `pq` has been what it is. */
  pqSince: timeField,
  exchangeAgeS: ageField,
  nextExchangeS: ageField,
  lastRole: z.enum(['initiator', 'responder']).nullable(),
  version: z.enum(rosenpassVersions).nullable(),
  ciphertext: z.enum(rosenpassCiphertexts).nullable(),
  handshakeAgeS: ageField,
  pskKind: z.enum(['random', 'rosenpass', 'none']),
  /** How many exchanged keys the device has had. */
  generation: z.int().min(0),
  rxBytes: z.number().min(0),
  txBytes: z.number().min(0),
  exchanges: z.int().min(0),
  /** Datagrams dropped and exchanges failed, by reason (V10). */
  failures: z.record(z.string(), z.int().min(0)),
  lastError: z.string().nullable(),
});
export type TunnelPeer = z.infer<typeof tunnelPeerSchema>;

/** K8: the hub changes its keys. `announced` → `promoted` (nodes are to use the next one) → `done` (the old is deleted). */
export const hubRotationSchema = z.object({
  phase: z.enum(['announced', 'promoted', 'done']),
  oldSha256: fingerprintField,
  newSha256: fingerprintField,
  /** Of WireGuard: in use from the promotion on; absent while it stays. */
  newWireguardPublicKey: wireguardKeyField.optional(),
  announcedAt: timeField,
  promotedAt: timeField.nullable(),
  /** When the next phase begins, whoever is waited for. */
  dueAt: timeField.nullable(),
  /** Names: before the promotion nodes that do not have the next key, after it peers that still use the old; the first 100. */
  waiting: z.array(z.string()).max(100),
  waitingCount: z.int().min(0),
});
export type HubRotationView = z.infer<typeof hubRotationSchema>;
/** `now`: the next phase at once; refused while somebody is waited for. */
export const rotateTunnelSchema = z.object({ now: z.boolean().default(false) }).strict();

/**
 * A node whose hub is another replica, reached from here through it (H6): between the replicas by TLS with a hybrid
 * post-quantum key exchange.
 */
export const relayedNodeSchema = z.object({
  name: z.string(),
  address: z.string(),
  port: z.int().min(1).max(65_535),
  /** Whose hub has it. */
  replicaId: z.string(),
  connections: z.int().min(0),
  /** Why the last connection could not be made; null when it could, or none was asked for. */
  error: z.string().nullable(),
});
export type RelayedNodeView = z.infer<typeof relayedNodeSchema>;

export const tunnelViewSchema = z.object({
  role: z.enum(['node', 'hub']),
  backend: z.enum([...tunnelBackends, 'memory']),
  backendRejected: z.array(z.object({ backend: z.string(), reason: z.string() })),
  /** Who computes ChaCha20-Poly1305; null where the backend does. */
  aead: z.string().nullable(),
  isolation: z.enum(tunnelIsolations),
  isolationDetail: z.string(),
  /** What listens beyond loopback where nothing isolates, so what peers reach (I5); the first of many. Absent: they are isolated. */
  exposed: z
    .array(z.object({ protocol: z.enum(['tcp', 'udp']), address: z.string(), port: z.int().min(0).max(65_535) }))
    .max(1_000)
    .optional(),
  /** What is wrong with the interface, `isolation_lost: …` (N9): nothing passes then. Absent: nothing is. */
  fault: z.string().optional(),
  interface: z.string(),
  address: z.string(),
  mtu: z.int(),
  /** Own keys as others pin them. */
  wireguardPublicKey: wireguardKeyField,
  rosenpassSha256: fingerprintField,
  listenPort: z.int().min(0).max(65_535),
  queue: z.object({ depth: z.int(), dropped: z.int() }),
  /** Datagrams dropped that belong to no known peer, by reason. */
  drops: z.record(z.string(), z.int().min(0)),
  /** All that was dropped since the start, by reason: of exchanges with anybody, and by the native data plane (V10, I11). */
  dropTotals: z.record(z.string(), z.int().min(0)).optional(),
  /** Exchanges with known peers since the start; `result` is ok or the reason why it failed (V8). */
  exchangeEnds: z
    .array(z.object({ role: z.enum(['initiator', 'responder']), result: z.string(), count: z.int().min(0) }))
    .max(16)
    .optional(),
  decapsulations: z.object({ count: z.int().min(0), seconds: z.number().min(0) }).optional(),
  peers: z.array(tunnelPeerSchema),
  /** Of a hub: nodes of other replicas' hubs. Absent: there are none. */
  relayed: z.array(relayedNodeSchema).max(4_096).optional(),
  /** The own WireGuard key that is to follow (K8). */
  nextWireguardPublicKey: wireguardKeyField.optional(),
  /** Of a hub, while it changes its keys. */
  rotation: hubRotationSchema.optional(),
});
export type TunnelView = z.infer<typeof tunnelViewSchema>;

/** One exchange now: how it went, within 10 s. */
export const exchangeResultSchema = z.object({
  ok: z.boolean(),
  tookMs: z.number().nullable(),
  error: z.string().nullable(),
  peer: tunnelPeerSchema,
});
export type ExchangeResult = z.infer<typeof exchangeResultSchema>;

/** X7: a stock Rosenpass or plain WireGuard client that the operator adds by hand. */
export const addTunnelPeerSchema = z
  .object({
    name: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'is not a name: lower-case letters, digits, dots and dashes'),
    wireguardPublicKey: wireguardKeyField,
    /** Base64 of the raw 524,160 bytes; without it the peer is no post-quantum peer. */
    rosenpassPublicKey: z.string().max(698_880).optional(),
    /** Secret, 32 bytes in base64, mixed into each exchange (X2, X3); not WireGuard's. Goes in and never comes out. */
    presharedKey: z.string().regex(base64Of32Bytes, 'is not 32 bytes in base64').optional(),
    endpoint: z.string().max(256).optional(),
    version: z.enum(rosenpassVersions).optional(),
    ciphertext: z.enum(rosenpassCiphertexts).optional(),
  })
  .strict();
export type AddTunnelPeer = z.input<typeof addTunnelPeerSchema>;

export const patchTunnelPeerSchema = z.object({ requirePq: z.boolean() }).strict();
export const trustTunnelPeerSchema = z.object({ sha256: fingerprintInput }).strict();
export const exportTunnelPeerQuery = z.object({ format: z.enum(['toml', 'rp', 'wg-conf']) });
/** A peer's settings as files: name → content; the hub's public key is named, not held (it has a route of its own). */
export const exportedTunnelPeerSchema = z.object({
  format: z.enum(['toml', 'rp', 'wg-conf']),
  files: z.record(z.string(), z.string()),
});
