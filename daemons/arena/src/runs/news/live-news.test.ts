import { describe, expect, test } from 'bun:test';
import { liveLineSchema } from '@labmesh/wire/verification/arena-live';
import { LiveNews, listenersMost } from './live-news.ts';

/** Reads what a listener is given. */
function reading(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const next = async () => {
    const { done, value } = await reader.read();
    return done ? 'the end' : Buffer.from(value).toString();
  };
  return { next, line: async () => liveLineSchema.parse(JSON.parse(await next())), leave: () => reader.cancel() };
}

describe('news of the arena', () => {
  test('begin with a sign, and are each tenant’s own; what is told to all reaches all', async () => {
    const news = new LiveNews();
    const [acme, globex] = [reading(news.listen('acme')), reading(news.listen('globex'))];
    expect([await acme.next(), await globex.next()]).toEqual(['\n', '\n']);
    news.tell('acme', 'runs', () => ({ event: 'x' }));
    news.tell('nobody', 'runs', () => ({ event: 'y' }));
    news.tell(undefined, 'verifiers', () => ({ event: 'z' }));
    expect(await acme.line()).toMatchObject({ topic: 'runs', data: { event: 'x' } });
    expect(await acme.line()).toMatchObject({ topic: 'verifiers' });
    expect(await globex.line()).toMatchObject({ topic: 'verifiers', data: { event: 'z' } });
  });

  test('cost nothing while nobody listens, and nothing of it is kept', async () => {
    const news = new LiveNews();
    let asked = 0;
    const tell = () => news.tell('acme', 'runs', () => ({ asked: ++asked }));
    tell();
    expect([asked, news.isHeard]).toEqual([0, false]);
    const listener = reading(news.listen('acme'));
    expect(await listener.next()).toBe('\n');
    tell();
    expect(await listener.line()).toMatchObject({ data: { asked: 1 } });
    await listener.leave();
    tell();
    expect([asked, news.isHeard]).toEqual([1, false]);
  });

  test('a listener that takes nothing is let go of, the others hear on; a line without end is not told', async () => {
    const news = new LiveNews();
    const [slow, quick] = [reading(news.listen('acme')), reading(news.listen('acme'))];
    await quick.next();
    for (let at = 0; at < 200; at++) {
      news.tell('acme', 'runs', () => ({ at, text: 'x'.repeat(10_000) }));
      expect(await quick.line()).toMatchObject({ data: { at } });
    }
    news.tell('acme', 'runs', () => ({ text: 'x'.repeat(20_000) }));
    news.tell('acme', 'stats', () => ({}));
    expect(await quick.line()).toMatchObject({ topic: 'stats' });
    let taken = 0;
    while ((await slow.next()) !== 'the end') taken += 1;
    expect(taken).toBeLessThan(150);
  });

  test('more listeners than there may be are refused', () => {
    const news = new LiveNews();
    for (let count = 0; count < listenersMost; count++) news.listen(`tenant-${count}`);
    expect(() => news.listen('one more')).toThrow('arena.live_listeners');
  });
});
