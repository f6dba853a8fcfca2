import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  closeText,
  decodeFrame,
  encodeCredit,
  encodeData,
  encodeFrame,
  type Frame,
  ProtocolError,
  rewriteChannel,
  writeDataHead,
} from './codec.ts';
import { closeCodes, frameLimits, frameTypes, signalNames } from './frame-types.ts';

const fuzzRuns = Number(process.env['LABMESH_FUZZ_RUNS'] ?? 50_000);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fromHex = (text: string) => Buffer.from(text, 'hex');
const uuid = '01900000-0000-7000-8000-000000000001';

/** The facts of fleet plane 5, byte for byte. */
const vectors: [string, Frame, string][] = [
  ['DATA', { type: 'data', channel: 2, stream: 1, bytes: Buffer.from('hi') }, '1000000002016869'],
  ['CREDIT', { type: 'credit', channel: 2, stream: 0, count: 65_536 }, '1100000002000000000000010000'],
  ['EOF', { type: 'eof', channel: 2, stream: 0 }, '120000000200'],
  ['SIGNAL', { type: 'signal', channel: 2, name: 'TERM' }, '13000000025445524d'],
  ['RESIZE', { type: 'resize', channel: 2, cols: 120, rows: 40 }, '140000000200780028'],
  ['CLOSE', { type: 'close', channel: 2, reason: 'timeout', text: 'timeout' }, '160000000207d774696d656f7574'],
  ['PING', { type: 'ping', channel: 0, value: 0xffff_ffff_ffff_fffen }, '0300000000fffffffffffffffe'],
  ['LIVE', { type: 'live', channel: 0, ids: [1, 0x01020304] }, '07000000000000000101020304'],
];

describe('HB-2: the exact bytes', () => {
  test.each(vectors)('%s', (_name, frame, bytes) => {
    expect(hex(encodeFrame(frame))).toBe(bytes);
    expect(decodeFrame(fromHex(bytes))).toEqual(frame);
  });

  test('a relay gives a frame another channel in place', () => {
    const message = encodeData(2, 1, Buffer.from('hi'));
    rewriteChannel(message, 0xfedcba98);
    expect(hex(message)).toBe('10fedcba98016869');
    writeDataHead(message, 3, 2);
    expect(hex(message)).toBe('1000000003026869');
  });

  test('DATA is not copied', () => {
    const message = encodeData(2, 1, Buffer.from('hi'));
    const frame = decodeFrame(message);
    message[6] = 0x48;
    expect(frame?.type === 'data' && Buffer.from(frame.bytes).toString()).toBe('Hi');
  });
});

const channel = fc.integer({ min: 1, max: 0xffff_ffff });
const stream = fc.constantFrom(0 as const, 1 as const, 2 as const);
const count = fc.maxSafeNat();
const received = fc.record({ in: count, out: count, err: count });
const reasons = Object.keys(closeCodes) as (keyof typeof closeCodes)[];
const hello = fc.record({
  protocols: fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom('agent' as const, 'bastion' as const, 'client' as const, 'labd' as const),
  serverId: fc.string({ maxLength: 40 }),
  instanceId: fc.uuid(),
  bootId: fc.constant(''),
  version: fc.constant('0.1.0'),
  os: fc.string({ maxLength: 20, unit: 'grapheme' }),
  arch: fc.constant('x64'),
  capabilities: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }),
  factsDigest: fc.constant(''),
  bundle: fc.constant(''),
  sessions: fc.array(fc.uuid(), { maxLength: 4 }),
});
const exit = fc.record({
  code: fc.option(fc.integer({ min: 0, max: 255 })),
  signal: fc.option(fc.constantFrom(...signalNames)),
  core: fc.boolean(),
  timedOut: fc.boolean(),
  drained: fc.boolean(),
  bytes: received,
});
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constantFrom('ping' as const, 'pong' as const),
    channel: fc.constant(0 as const),
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ type: fc.constant('hello' as const), channel: fc.constant(0 as const), body: hello }),
  fc.record({
    type: fc.constant('live' as const),
    channel: fc.constant(0 as const),
    ids: fc.array(channel, { maxLength: 300 }),
  }),
  fc.record({
    type: fc.constant('data' as const),
    channel,
    stream,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({ type: fc.constant('credit' as const), channel, stream, count }),
  fc.record({ type: fc.constant('eof' as const), channel, stream }),
  fc.record({ type: fc.constant('signal' as const), channel, name: fc.constantFrom(...signalNames) }),
  fc.record({
    type: fc.constant('resize' as const),
    channel,
    cols: fc.integer({ min: 1, max: 65_535 }),
    rows: fc.integer({ min: 1, max: 65_535 }),
  }),
  fc.record({
    type: fc.constant('close' as const),
    channel,
    reason: fc.constantFrom(...reasons),
    text: fc.string({ maxLength: 200, unit: 'grapheme' }),
  }),
  fc.record({ type: fc.constant('exit' as const), channel, body: exit }),
  fc.record({
    type: fc.constant('resume' as const),
    channel,
    body: fc.record({ session: fc.uuid(), token: fc.base64String({ maxLength: 40 }), received }),
  }),
  fc.record({ type: fc.constant('resumeOk' as const), channel, body: fc.record({ session: fc.uuid(), received }) }),
  fc.record({
    type: fc.constant('openOk' as const),
    channel,
    body: fc.record({ session: fc.uuid(), window: fc.integer({ min: 1, max: 4_194_304 }) }),
  }),
  fc.record({
    type: fc.constant('open' as const),
    channel,
    body: fc.record({ kind: fc.constant('facts'), server: fc.string() }),
  }),
);

test('HB-2: what is encoded is decoded, whatever the frame', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      const back = decodeFrame(encodeFrame(frame));
      // DATA comes back as a Buffer over the same bytes.
      const plain: unknown = back?.type === 'data' ? { ...back, bytes: new Uint8Array(back.bytes) } : back;
      expect(plain).toEqual(frame);
    }),
    { numRuns: 2_000 },
  );
});

test('JSON frames of every other kind', () => {
  const all: Frame[] = [
    {
      type: 'helloOk',
      channel: 0,
      body: {
        protocol: 1,
        replicaId: 'r',
        heartbeatMs: 10_000,
        timeMs: 1,
        bundle: '',
        limits: { channels: 256, window: 1, windowMax: 2 },
        urls: [],
      },
    },
    {
      type: 'goaway',
      channel: 0,
      body: { kind: 'server-shutdown', retryAfterMinMs: 1, retryAfterMaxMs: 2, urls: ['https://a'] },
    },
    { type: 'msg', channel: 0, body: { kind: 'heartbeat', uptimeS: 1, load: [0.5], channels: 0, bundle: '' } },
    { type: 'msgUnknown', channel: 0, kind: 'from-a-later-version' },
  ];
  for (const frame of all) expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
});

const head = (type: number, id: number, payload = '') =>
  fromHex(type.toString(16).padStart(2, '0') + id.toString(16).padStart(8, '0') + payload);
const json = (type: number, id: number, body: unknown) =>
  Buffer.concat([head(type, id), Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))]);

const refused: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['half a head', fromHex('10000000')],
  ['type 0', head(0x00, 0)],
  ['a type between', head(0x0c, 2)],
  ['a type below 0x80', head(0x7f, 2)],
  ['a control frame on a channel', head(frameTypes.ping, 2, '0000000000000001')],
  ['a channel frame on 0', head(frameTypes.eof, 0, '00')],
  ['PING of 7 bytes', head(frameTypes.ping, 0, '00000000000001')],
  ['LIVE cut', head(frameTypes.live, 0, '000001')],
  ['DATA without bytes', head(frameTypes.data, 2, '01')],
  ['DATA without stream', head(frameTypes.data, 2)],
  ['DATA of stream 3', head(frameTypes.data, 2, '0361')],
  ['CREDIT cut', head(frameTypes.credit, 2, '0000000000000100')],
  ['CREDIT past 2^53', head(frameTypes.credit, 2, '000020000000000000')],
  ['EOF with more', head(frameTypes.eof, 2, '0000')],
  ['SIGNAL STOP', json(frameTypes.signal, 2, 'STOP')],
  ['SIGNAL with SIG', json(frameTypes.signal, 2, 'SIGTERM')],
  ['SIGNAL without name', head(frameTypes.signal, 2)],
  ['RESIZE to 0 columns', head(frameTypes.resize, 2, '00000028')],
  ['CLOSE without code', head(frameTypes.close, 2, '07')],
  ['CLOSE 2000', head(frameTypes.close, 2, '07d0')],
  ['CLOSE 2025', head(frameTypes.close, 2, '07e9')],
  ['CLOSE with too long a text', Buffer.concat([head(frameTypes.close, 2, '07d1'), Buffer.alloc(1025, 97)])],
  ['CLOSE that is no UTF-8', head(frameTypes.close, 2, '07d1ff')],
  ['HELLO that is no JSON', json(frameTypes.hello, 0, '{')],
  ['HELLO that is no UTF-8', head(frameTypes.hello, 0, 'ff')],
  [
    'HELLO without protocols',
    json(frameTypes.hello, 0, { kind: 'agent', instanceId: uuid, version: '1', protocols: [] }),
  ],
  ['MSG without kind', json(frameTypes.msg, 0, {})],
  ['MSG null', json(frameTypes.msg, 0, 'null')],
  ['MSG of a known kind with a wrong field', json(frameTypes.msg, 0, { kind: 'heartbeat', uptimeS: 'long' })],
  ['EXIT without bytes', json(frameTypes.exit, 2, { code: 0, signal: null })],
  ['RESUME with negative counts', json(frameTypes.resume, 2, { session: uuid, token: 'x', received: { in: -1 } })],
  ['OPEN that is no JSON', json(frameTypes.open, 2, 'x')],
  ['JSON nested without end', json(frameTypes.open, 2, '['.repeat(65_000))],
];

/** The close code of bytes that are refused. */
function refusalOf(bytes: Buffer): number | undefined {
  try {
    decodeFrame(bytes);
    return undefined;
  } catch (error) {
    return error instanceof ProtocolError ? error.code : undefined;
  }
}

describe('HB-2: everything else is a protocol error', () => {
  test.each(refused)('%s', (_name, bytes) => {
    expect(refusalOf(bytes)).toBe(4400);
  });

  test('a message larger than a frame closes with 1009', () => {
    expect(decodeFrame(encodeData(2, 1, Buffer.alloc(65_535)))?.type).toBe('data');
    const large = Buffer.concat([head(frameTypes.data, 2, '01'), Buffer.alloc(65_536)]);
    expect(refusalOf(large)).toBe(1009);
    expect(() => encodeData(2, 1, Buffer.alloc(65_536))).toThrow(ProtocolError);
    const body = { kind: 'exec', shell: 'x'.repeat(70_000) };
    expect(() => encodeFrame({ type: 'open', channel: 2, body })).toThrow(ProtocolError);
  });

  test('types from 0x80 are left to later versions', () => {
    for (const type of [0x80, 0xff]) expect(decodeFrame(head(type, 7, 'abcd'))).toBeUndefined();
  });
});

test('HB-2: the text of CLOSE is cut to 1 KiB, never inside a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 300, maxLength: 1500 }), (text) => {
      const bytes = closeText(text);
      expect(bytes.length).toBeLessThanOrEqual(frameLimits.closeTextBytesMax);
      const shown = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      expect(
        new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)).startsWith(shown),
      ).toBe(true);
      if (bytes.length < frameLimits.closeTextBytesMax - 3) expect(Buffer.byteLength(text)).toBe(bytes.length);
    }),
  );
  const frame = decodeFrame(encodeFrame({ type: 'close', channel: 2, reason: 'io', text: '€'.repeat(1000) }));
  expect(frame?.type === 'close' && frame.text).toBe('€'.repeat(341));
});

test('CREDIT counts past 32 bits', () => {
  for (const count of [0, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]) {
    expect(decodeFrame(encodeCredit(9, 2, count))).toEqual({ type: 'credit', channel: 9, stream: 2, count });
  }
});

/** Flips, cuts, doubles and joins: what a hostile or broken peer sends. */
function mutate(seed: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(seed);
  for (let left = 1 + Math.floor(random() * 4); left > 0; left--) {
    if (bytes.length > 0) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  }
  const kind = random();
  if (kind < 0.2) return bytes.subarray(0, Math.floor(random() * bytes.length));
  if (kind < 0.3) return Buffer.concat([bytes, bytes.subarray(0, Math.floor(random() * 20))]);
  return bytes;
}

test(`acceptance 6: ${fuzzRuns} mutated frames are frames or protocol errors, nothing else`, () => {
  const seeds = fc.sample(frames, { numRuns: 400, seed: 7 }).map((frame) => encodeFrame(frame));
  let state = 12345;
  const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff) / 0x8000_0000;
  let kept = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = mutate(seeds[run % seeds.length]!, random);
    try {
      const frame = decodeFrame(bytes);
      // What was accepted survives another round: the decoder invents nothing.
      if (frame !== undefined && frame.type !== 'open') expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      kept++;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  expect(kept).toBeGreaterThan(0);
}, 600_000);
