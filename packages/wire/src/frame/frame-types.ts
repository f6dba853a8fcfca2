/**
 * The frames of the agent link, the client socket and the peer link (HB-1, HB-2, fleet plane 5): one codec, binary
 * WebSocket messages, `u8 type, u32 channel (big-endian), payload`. Channel 0 is control. labd opens even channels, the
 * other side odd ones. Unknown types from 0x80 are ignored, below that they are a protocol error.
 */
export const frameTypes = {
  hello: 0x01,
  helloOk: 0x02,
  ping: 0x03,
  pong: 0x04,
  msg: 0x05,
  goaway: 0x06,
  live: 0x07,
  open: 0x08,
  openOk: 0x09,
  resume: 0x0a,
  resumeOk: 0x0b,
  data: 0x10,
  credit: 0x11,
  eof: 0x12,
  signal: 0x13,
  resize: 0x14,
  exit: 0x15,
  close: 0x16,
} as const;

/** Streams of a channel. */
export const streams = { in: 0, out: 1, err: 2 } as const;
export type StreamId = 0 | 1 | 2;

export const subprotocols = {
  link: 'labmesh.link.v1',
  client: 'labmesh.client.v1',
  peer: 'labmesh.peer.v1',
} as const;

export const frameLimits = {
  headerBytes: 5,
  payloadBytesMax: 65_536,
  /** `maxPayload` of the sockets. */
  messageBytesMax: 65_541,
  /** Largest DATA that is sent while another channel waits: turns of 16 KiB. */
  turnBytes: 16 * 1024,
  windowBytes: 256 * 1024,
  windowBytesMax: 4 * 1024 * 1024,
  channelsMax: 256,
  closeTextBytesMax: 1024,
  helloTimeoutMs: 10_000,
} as const;

/** WebSocket close codes. */
export const socketCloseCodes = {
  goingAway: 1001,
  tooBig: 1009,
  internal: 1011,
  protocol: 4400,
  unauthenticated: 4401,
  revoked: 4403,
  helloTimeout: 4408,
  superseded: 4409,
  version: 4426,
  limit: 4429,
} as const;

/** Why a channel ended: a closed list. */
export const closeCodes = {
  ok: 2001,
  denied: 2002,
  'not-found': 2003,
  'agent-offline': 2004,
  'no-session': 2005,
  superseded: 2006,
  timeout: 2007,
  cancelled: 2008,
  killed: 2009,
  revoked: 2010,
  limit: 2011,
  'flow-violation': 2012,
  protocol: 2013,
  'spawn-failed': 2014,
  'user-unknown': 2015,
  io: 2016,
  'audit-unavailable': 2017,
  'recording-limit': 2018,
  'recording-unavailable': 2019,
  'agent-restarted': 2020,
  'peer-lost': 2021,
  'link-lost': 2022,
  checksum: 2023,
  internal: 2024,
} as const;
export type CloseReason = keyof typeof closeCodes;

/** Signals that SIGNAL may name (EX-5). */
export const signalNames = ['HUP', 'INT', 'QUIT', 'TERM', 'KILL', 'USR1', 'USR2', 'WINCH', 'TSTP', 'CONT'] as const;
export type SignalName = (typeof signalNames)[number];
