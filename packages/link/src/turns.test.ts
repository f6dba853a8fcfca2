import { expect, test } from 'bun:test';
import { encodeData, encodeFrame } from '@labmesh/wire/frame/codec';
import { Link } from './link.ts';
import { testHello, testHelloOk } from './testing/link-pair.ts';
import { execOpen } from './testing/relay-world.ts';
import { MemorySocket } from './testing/socket-pair.ts';

/** What channels that wait at the same moment may send in their first turn, bytes. */
async function turns(channels: number, socketBufferMax: number): Promise<number[]> {
  const [mine, bare] = MemorySocket.pair();
  bare.owner = { onMessage: () => {}, onDrain: () => {}, onClose: () => {} };
  const link = new Link(mine, { hello: (one) => one.accept(testHelloOk) }, { side: 'even', socketBufferMax });
  bare.send(encodeFrame({ type: 'hello', channel: 0, body: testHello }));
  bare.deliver(1);
  const asked: number[] = [];
  for (let index = 0; index < channels; index++) {
    const raw = link.open({ type: 'open', open: execOpen });
    let sent = false;
    raw.adopt({
      onFrame: () => {},
      onDown: () => {},
      pull(most) {
        if (sent) return undefined;
        sent = true;
        asked.push(most);
        return encodeData(raw.id, 0, Buffer.alloc(10));
      },
    });
  }
  await new Promise<void>((resolve) => setImmediate(resolve));
  link.close('goingAway');
  return asked;
}

test('HB-5: who sends alone may fill a frame; beside others, and where little may wait, turns are of 16 KiB', async () => {
  expect(await turns(1, 1024 * 1024)).toEqual([65_535]);
  expect(await turns(3, 1024 * 1024)).toEqual([16_384, 16_384, 16_384]);
  expect(await turns(1, 128 * 1024)).toEqual([16_384]);
});
