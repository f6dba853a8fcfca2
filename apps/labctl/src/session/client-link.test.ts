import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { DialRefused } from '@labmesh/link/dial';
import type { ChannelEnd } from '@labmesh/link/channel-end';
import { ChannelClosed } from '@labmesh/link/channel';
import { type Open, openExecSchema } from '@labmesh/wire/frame/open';
import { ClientLink } from './client-link.ts';
import { ClientLinks } from './client-links.ts';
import { finish, MemoryLabd, pass, say, settle } from './testing/memory-labd.ts';

const exec: Open = openExecSchema.parse({ kind: 'exec', server: 'web-1', argv: ['true'] });

function world(agent: ConstructorParameters<typeof MemoryLabd>[0] = (_open, accept) => void accept()) {
  const labd = new MemoryLabd(agent);
  const clock = new FakeClock();
  const notes: string[] = [];
  const parts = {
    connect: labd.connect,
    clock,
    random: () => 0.5,
    timeoutMs: 30_000,
    note: (text: string) => void notes.push(text),
  };
  return { labd, clock, notes, parts, link: new ClientLink(parts) };
}

/** The agent's end of the one session. */
const agentEnd = (labd: MemoryLabd): ChannelEnd => [...labd.sessions.values()].at(-1)!;

describe('one socket for many sessions', () => {
  test('dials once, says who it is, and opens', async () => {
    const { labd, link } = world((_open, accept) => void say(accept(), 'hi', 3));
    const [a, b] = await Promise.all([link.open(exec), link.open(exec)]);
    const outs = [a, b].map(
      (channel) =>
        new Promise<[string, number | null]>((resolve) => {
          let text = '';
          channel.handle({
            data: (_stream, bytes) => void (text += new TextDecoder().decode(bytes)),
            exit: ({ code }) => resolve([text, code]),
          });
        }),
    );
    expect(await Promise.all(outs)).toEqual([
      ['hi', 3],
      ['hi', 3],
    ]);
    expect(labd.dials).toBe(1);
    expect(labd.hellos).toMatchObject([{ kind: 'client', protocols: [1], serverId: '' }]);
    expect(await a.closed).toEqual({ reason: 'ok', text: '' });
    await link[Symbol.asyncDispose]();
  });

  test('a refusal is the opener’s, and the link stays', async () => {
    const { labd, link } = world(() => ({ reason: 'denied', text: 'exec on server/web-1 denied: no rule allows it' }));
    const error = await link.open(exec).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(ChannelClosed);
    expect((error as ChannelClosed).ending.reason).toBe('denied');
    labd.agent = (_open, accept) => void accept();
    expect((await link.open(exec)).ok.token).toStartWith('token-');
    expect(labd.dials).toBe(1);
    expect(link.room).toBe(255);
  });

  test('a first connection that fails is told at once, a busy labd is asked again', async () => {
    const { labd, link, clock } = world();
    labd.away = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(await thrower(link.connect())).toThrow('refused');
    expect(labd.dials).toBe(1);
    labd.away = new DialRefused(503, 2_000, '');
    const connecting = link.connect();
    await settle();
    labd.away = undefined;
    await pass(clock, 1_999);
    expect(labd.dials).toBe(2);
    await pass(clock, 1_000);
    await connecting;
    expect(labd.dials).toBe(3);
  });

  test('a busy labd is not asked for longer than --timeout', async () => {
    const { labd, link, clock } = world();
    labd.away = new DialRefused(503, 20_000, '');
    const connecting = link.connect().catch((error: unknown) => error);
    await pass(clock, 60_000);
    expect(await connecting).toBe(labd.away);
    expect(labd.dials).toBe(2);
  });

  test('an open that is given up', async () => {
    const { link } = world(() => {});
    const giveUp = new AbortController();
    const opening = link.open(exec, giveUp.signal).catch((error: ChannelClosed) => error.ending.reason);
    await settle();
    giveUp.abort();
    expect(await opening).toBe('cancelled');
    expect(link.room).toBe(256);
  });
});

describe('cuts (EX-7)', () => {
  test('the first try is at once, and no byte is lost or doubled', async () => {
    const { labd, link, clock, notes } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    let text = '';
    const cuts: boolean[] = [];
    const exited = Promise.withResolvers<number | null>();
    channel.handle({
      data: (_stream, bytes) => void (text += new TextDecoder().decode(bytes)),
      exit: ({ code }) => exited.resolve(code),
      cut: (isCut) => void cuts.push(isCut),
    });
    let wanted = '';
    for (let round = 0; round < 20; round++) {
      const part = `round ${round} `.repeat(500);
      wanted += part;
      void agentEnd(labd).write(1, new TextEncoder().encode(part));
      if (round % 2 === 0) await settle(round % 5);
      labd.cut();
      await settle();
    }
    finish(agentEnd(labd), { code: 0 });
    expect(await exited.promise).toBe(0);
    expect(text).toBe(wanted);
    expect(labd.dials).toBe(21);
    expect(cuts.slice(0, 2)).toEqual([true, false]);
    // No time passed: nobody waited, and nobody was told.
    expect([clock.now(), notes]).toEqual([0, []]);
  });

  test('later tries are 1-5 s apart, the person hears of them, and it goes on when labd is back', async () => {
    const { labd, link, clock, notes } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.away = new Error('away');
    labd.cut();
    await settle();
    expect([labd.dials, notes]).toEqual([2, ['the link to labd is lost; trying for 60s']]);
    await pass(clock, 10_000);
    // 3 s each at this chance.
    expect(labd.dials).toBe(5);
    labd.away = undefined;
    await pass(clock, 3_000);
    await settle();
    expect(channel.isCut).toBe(false);
    expect(notes.at(-1)).toBe('the link to labd is back');
  });

  test('after 60 s without success the session is given up, not before', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.away = new Error('away');
    labd.cut();
    let ending: unknown;
    void channel.closed.then((one) => (ending = one));
    await pass(clock, 58_000);
    await settle();
    expect(ending).toBeUndefined();
    await pass(clock, 3_000);
    await settle();
    expect(ending).toEqual({ reason: 'link-lost', text: '' });
    expect(link.room).toBe(256);
  });

  test('a RESUME that nobody answers counts too', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.sessions.get(channel.session)!.resumeFrom = () => {};
    labd.cut();
    await pass(clock, 61_000);
    await settle();
    expect(await channel.closed).toEqual({ reason: 'link-lost', text: '' });
  });

  test('an agent that is away is waited for, an unknown session is not', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.refuseResume = 'agent-offline';
    labd.cut();
    await settle();
    await pass(clock, 7_000);
    await settle();
    expect([labd.resumes.length, channel.isCut]).toEqual([3, true]);
    labd.refuseResume = undefined;
    await pass(clock, 3_000);
    await settle();
    expect(channel.isCut).toBe(false);
    labd.refuseResume = 'no-session';
    labd.cut();
    expect(await channel.closed).toMatchObject({ reason: 'no-session' });
  });

  test('a cut further on closes the channel alone: resumed over the same link', async () => {
    const { labd, link } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.raws.get(channel.session)!.close('link-lost');
    await settle();
    expect(channel.isCut).toBe(false);
    expect(labd.resumes).toHaveLength(1);
    expect(labd.dials).toBe(1);
  });

  test('an identity that was revoked is not tried again (CA-8)', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.away = new DialRefused(403, undefined, '');
    labd.close('revoked');
    expect(await channel.closed).toMatchObject({ reason: 'link-lost', text: 'revoked' });
    await pass(clock, 60_000);
    expect(labd.dials).toBeLessThanOrEqual(2);
    expect(await thrower(link.open(exec))).toThrow('revoked');
  });

  test('GOAWAY: everything moves to the next link while the old one still works (SD-1)', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channels = await Promise.all([link.open(exec), link.open(exec)]);
    let text = '';
    for (const channel of channels) {
      channel.handle({ data: (_stream, bytes) => void (text += new TextDecoder().decode(bytes)) });
    }
    labd.sayGoaway({ retryAfterMinMs: 1_000, retryAfterMaxMs: 3_000 });
    await settle();
    expect(labd.dials).toBe(1);
    await pass(clock, 2_000);
    await settle();
    expect([labd.dials, labd.resumes.length, labd.links.size]).toEqual([2, 2, 1]);
    await agentEnd(labd).write(1, new TextEncoder().encode('after'));
    await settle();
    expect(text).toBe('after');
    expect(clock.now()).toBe(2_000);
  });

  test('GOAWAY with nobody else there: the old link is used to its end, then tried again', async () => {
    const { labd, link, clock } = world((_open, accept) => accept().handle({}));
    const channel = await link.open(exec);
    channel.handle({});
    labd.away = new Error('draining');
    labd.sayGoaway();
    await pass(clock, 1);
    await settle();
    expect([labd.dials, channel.isCut]).toEqual([2, false]);
    labd.cut();
    await settle();
    labd.away = undefined;
    await pass(clock, 3_000);
    await settle();
    expect(channel.isCut).toBe(false);
  });
});

describe('more sessions than a socket takes', () => {
  test('another socket is made, and a place that is free again is used', async () => {
    const { labd, parts } = world((_open, accept) => accept().handle({}));
    labd.channelsMax = 4;
    await using links = new ClientLinks(parts);
    await links.connect();
    const channels = await Promise.all(Array.from({ length: 10 }, () => links.open(exec)));
    expect(labd.dials).toBe(3);
    channels[0]!.handle({});
    channels[0]!.close('cancelled');
    await settle();
    labd.sessions.get(channels[0]!.session)!.close('ok');
    await channels[0]!.closed;
    await Promise.all([links.open(exec), links.open(exec), links.open(exec)]);
    expect(labd.dials).toBe(3);
  });
});
