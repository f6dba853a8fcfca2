import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { dialLink } from './dial.ts';
import type { FrameSocket } from './frame-socket.ts';
import type { MtlsListenerOptions } from './mtls-listener.ts';
import { testHello } from './testing/link-pair.ts';
import { MtlsRig } from './testing/mtls-rig.ts';
import { someBytes } from './testing/relay-world.ts';
import { offeredSubprotocol, upgradeToFrames } from './ws-socket.ts';

let rig: MtlsRig;
beforeAll(async () => {
  rig = await MtlsRig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

test('HB-6: sending leaves the bytes as they are, for they may have to go again', async () => {
  let far: FrameSocket | undefined;
  const onUpgrade: MtlsListenerOptions['onUpgrade'] = (request, socket, head) =>
    upgradeToFrames(request, socket, head, (frames) => void (far = frames));
  const near = await dialLink(rig.dialOptions(await rig.listen({}, { onUpgrade })));
  for (const socket of [near, far!]) {
    const messages = Array.from({ length: 40 }, () => someBytes(16 * 1024));
    const copies = messages.map((message) => Buffer.from(message));
    for (const message of messages) socket.send(message);
    await Bun.sleep(50);
    expect(messages.every((message, index) => message.equals(copies[index]!))).toBe(true);
  }
  near.terminate();
});

describe('frames that are none', () => {
  test('a text message closes with 4400, one too large ends the link', async () => {
    for (const [message, code] of [
      ['text', 4400],
      [Buffer.alloc(70_000), 1009],
    ] as const) {
      const closes = Promise.withResolvers<number>();
      const listener = await rig.listen({ closed: (_link, seen) => closes.resolve(seen) });
      const socket = await dialLink(rig.dialOptions(listener));
      const mine = Promise.withResolvers<number>();
      socket.owner = { onMessage: () => {}, onDrain: () => {}, onClose: (seen) => mine.resolve(seen) };
      socket.send(encodeFrame({ type: 'hello', channel: 0, body: testHello }));
      (socket as unknown as { send(message: string | Buffer): void }).send(message);
      expect([await closes.promise, await mine.promise]).toContain(code);
    }
  });
});

test('LD-5: the labmesh subprotocol is found before a ticket', () => {
  const request = (value: string | undefined) => ({ headers: { 'sec-websocket-protocol': value } }) as never;
  expect(offeredSubprotocol(request('labmesh.client.v1, ticket-abc'))).toBe('labmesh.client.v1');
  expect(offeredSubprotocol(request('chat'))).toBeUndefined();
  expect(offeredSubprotocol(request(undefined))).toBeUndefined();
});
