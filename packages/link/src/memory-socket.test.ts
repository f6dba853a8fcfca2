import { expect, test } from 'bun:test';
import type { Open } from '@labmesh/wire/frame/open';
import { ChannelEnd } from './channel-end.ts';
import { Link } from './link.ts';
import { memorySockets } from './memory-socket.ts';
import { testHello, testHelloOk } from './testing/link-pair.ts';

const logs: Open = { kind: 'logs', server: 'x', follow: false, window: 1024 };
const session = '01900000-0000-7000-8000-00000000000c';

test('a channel over it is byte-exact at the pace of its reader, and both ends hear of the end once', async () => {
  const [ours, theirs] = memorySockets();
  const ended: number[] = [];
  const closed = (_link: Link, code: number) => void ended.push(code);
  let far: ChannelEnd | undefined;
  const here = new Link(ours, { closed }, { side: 'odd' });
  const there = new Link(
    theirs,
    {
      closed,
      hello: (link) => link.accept(testHelloOk),
      first: (_link, raw, first) => {
        if (first.type === 'open') far = ChannelEnd.accept(raw, first.open, { session });
      },
    },
    { side: 'even' },
  );
  await here.hello({ ...testHello, kind: 'client' });
  const near = ChannelEnd.open(here, logs);
  await near.opened;
  const parts: Uint8Array[] = [];
  near.handle({
    data: async (_stream, bytes) => {
      parts.push(bytes);
      await Bun.sleep(0);
    },
  });
  far?.handle({});
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const writing = far?.write(1, bytes);
  let isWritten = false;
  void writing?.then(() => (isWritten = true));
  await Bun.sleep(1);
  // The window is 1 KiB: the writer waits for the reader.
  expect(isWritten).toBe(false);
  await writing;
  far?.end(1);
  far?.close('ok');
  expect((await near.closed).reason).toBe('ok');
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  here.close('goingAway');
  await Bun.sleep(1);
  expect(there.isUp).toBe(false);
  expect(ended).toHaveLength(2);
});
