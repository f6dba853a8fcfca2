/** Names, numbers and codes of the link between portman, labman and a Conplane (network plane 3.1, 3.2). */

/** WebSocket subprotocol; a peer that names none speaks this one. */
export const linkSubprotocol = 'labmesh.link.v1';

export const linkLimits = {
  /** Bytes of one text frame; above: close 1009. */
  LINK_FRAME: 1024 * 1024,
  /** Levels of nesting in an envelope. */
  LINK_DEPTH: 16,
  /** Envelopes a second from one agent, and how many at once. */
  AGENT_RATE: 50,
  AGENT_BURST: 200,
  AGENTS_PER_NODE: 64,
  /** Malformed frames within MALFORMED_WINDOW_MS that end a connection (4000). */
  MALFORMED_FRAMES: 5,
  MALFORMED_WINDOW_MS: 60_000,
  /** Connections a minute of one agent_id before the newcomer is refused. */
  AGENT_REPLACED_PER_MINUTE: 3,
  PING_MS: 10_000,
  SILENCE_MS: 30_000,
  /** Wait for an ack before the same msg_id is sent again. */
  ACK_MS: 30_000,
  /** How long, and how many, msg_ids are remembered to drop repeats. */
  REPEAT_MS: 600_000,
  REPEAT_IDS: 10_000,
  DIRECTIVE_QUEUE: 64,
  /** Envelopes and bytes kept while the Conplane is away. */
  UP_BUFFER: 1_024,
  UP_BUFFER_BYTES: 4 * 1024 * 1024,
  PEER_BUFFER_BYTES: 1024 * 1024,
  SPOOL_BYTES: 64 * 1024 * 1024,
  OBSERVERS: 16,
  OBSERVER_ENVELOPES: 256,
  OBSERVER_BUFFER_BYTES: 1024 * 1024,
} as const;

export const linkCodes = [
  'INVALID_ENVELOPE',
  'PAYLOAD_INVALID',
  'UNKNOWN_KIND',
  'WRONG_DIRECTION',
  'VERSION_UNSUPPORTED',
  'UNAUTHORIZED',
  'NOT_REGISTERED',
  'AGENT_MISMATCH',
  'DUPLICATE_AGENT',
  'RATE_LIMITED',
  'FRAME_TOO_LARGE',
  'NO_AGENT',
  'AGENT_OFFLINE',
  'QUEUE_FULL',
  'DIRECTIVE_REFUSED',
  'DIRECTIVE_EXPIRED',
  'MODEL_UNKNOWN',
  'MODEL_DOES_NOT_FIT',
  'MODEL_BUSY',
  'CAPACITY_EXCEEDED',
  'STALE_REVISION',
  'ADDRESS_LEAK',
  'INTERNAL',
] as const;
export type LinkCode = (typeof linkCodes)[number];

/** WebSocket close codes. */
export const linkCloseCodes = {
  malformed: 4000,
  unauthorized: 4001,
  version: 4002,
  rate: 4008,
  replaced: 4009,
  tooLarge: 1009,
} as const;
