import { describe, expect, test } from 'bun:test';
import { encodeCredit, encodeData } from '@labmesh/wire/frame/codec';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { ChannelEnd } from './channel-end.ts';
import type { RelayTap } from './channel-relay.ts';
import { linkPair } from './testing/link-pair.ts';
import { bytesOf, settle, tick } from './testing/direct.ts';
import { Bare, Rig } from './testing/relay-rig.ts';
import { execOpen, seeded, session, someBytes, token, World } from './testing/relay-world.ts';

const window = 256 * 1024;
const exit: Exit = {
  code: 5,
  signal: null,
  core: false,
  timedOut: false,
  drained: true,
  bytes: { in: 0, out: 2, err: 0 },
};

describe('start and end', () => {
  test('OPEN_OK carries what labd adds, and the report what passed', async () => {
    const rig = new Rig();
    const [client, agent] = await rig.bareClient();
    expect(client.got).toEqual([{ type: 'openOk', channel: 1, body: { session, window, token } }]);
    agent.raw.sendNow(encodeData(agent.raw.id, 1, bytesOf('hi')));
    for (const stream of [1, 2] as const) agent.send({ type: 'eof', channel: 0, stream });
    agent.send({ type: 'exit', channel: 0, body: exit });
    agent.send({ type: 'close', channel: 0, reason: 'ok', text: '' });
    await settle();
    expect(client.got.slice(1).map((frame) => frame.type)).toEqual(['data', 'eof', 'eof', 'exit', 'close']);
    expect(rig.reports).toEqual([]);
    client.send({ type: 'close', channel: 0, reason: 'ok', text: '' });
    await settle();
    expect(agent.got.at(-1)).toMatchObject({ type: 'close', reason: 'ok' });
    expect(rig.reports).toEqual([
      { session, exit, close: { reason: 'ok', text: '' }, bytes: { in: 0, out: 2, err: 0 } },
    ]);
    expect([rig.client.labd.channels, rig.agent.labd.channels]).toEqual([0, 0]);
  });

  test('an agent that is not there: agent-offline', async () => {
    const rig = new Rig();
    rig.reachable = false;
    const client = ChannelEnd.open(rig.client.other, execOpen);
    expect(await client.closed).toEqual({ reason: 'agent-offline', text: '' });
    expect(rig.reports[0]?.close.reason).toBe('agent-offline');
  });

  test('RP-1: a stale row is read again, once the asked replica says agent-offline', async () => {
    let asked = 0;
    const rig: Rig = new Rig({ agentLost: () => void setTimeout(() => rig.relay.agentBack(), 1) });
    rig.onAgent = (raw, first) => {
      if (asked++ === 0) return raw.close('agent-offline', 'not here');
      if (first.type === 'open') ChannelEnd.accept(raw, first.open, { session }).handle({});
    };
    const client = await rig.clientEnd();
    expect([asked, client.session]).toEqual([2, session]);
  });

  test('a refusal of the agent reaches the client', async () => {
    const rig = new Rig();
    rig.onAgent = (raw) => raw.close('spawn-failed', 'no such account');
    const client = ChannelEnd.open(rig.client.other, execOpen);
    expect(await client.closed).toEqual({ reason: 'spawn-failed', text: 'no such account' });
    expect(rig.reports.length).toBe(1);
  });

  test('EX-11: end cuts both sides with the reason', async () => {
    const rig = new Rig().withEnd();
    const client = await rig.clientEnd();
    rig.agentEnd!.handle({});
    client.handle({});
    rig.relay.end('killed', 'by alice');
    expect(await client.closed).toEqual({ reason: 'killed', text: 'by alice' });
    expect(await rig.agentEnd!.closed).toEqual({ reason: 'killed', text: 'by alice' });
    expect(rig.relay.isOver).toBe(true);
  });

  test('a client that leaves before the answer cancels the command', async () => {
    const rig = new Rig();
    const client = new Bare(rig.client.other.open({ type: 'open', open: execOpen }));
    await settle();
    rig.client.sockets[0].terminate();
    await settle();
    expect(client.raw.isUp).toBe(false);
    expect(rig.agents[0]?.got).toMatchObject([{ type: 'close', reason: 'cancelled' }]);
    expect(rig.reports[0]?.close.reason).toBe('cancelled');
  });
});

describe('HB-4, P4: credits and memory', () => {
  test('`yes` with a client that reads nothing: the agent stops at one window, the relay holds no more', async () => {
    const rig = new Rig().withEnd();
    const client = await rig.clientEnd();
    client.handle({ data: () => new Promise(() => {}) });
    // The client's machine does not even empty its socket.
    rig.client.sockets[0].flows = false;
    let written = 0;
    const yes = (async () => {
      for (;;) {
        await rig.agentEnd!.write(1, bytesOf('y\n'.repeat(4096)));
        written += 8192;
      }
    })().catch(() => {});
    let most = 0;
    for (let turn = 0; turn < 200; turn++) {
      await tick();
      most = Math.max(most, rig.relay.queuedBytes + rig.client.labd.bufferedBytes);
    }
    expect(written).toBeLessThanOrEqual(window);
    expect(most).toBeLessThanOrEqual(window + 16 * 1024);
    rig.client.sockets[0].flows = true;
    await settle(50);
    expect(client.received.out).toBe(window);
    rig.relay.end('killed');
    await yes;
  });

  test('credits go end to end: the agent hears what the client consumed, not what the relay took', async () => {
    const rig = new Rig();
    const [client, agent] = await rig.bareClient();
    agent.raw.sendNow(encodeData(agent.raw.id, 1, someBytes(1000)));
    await settle();
    expect(agent.credits(1)).toEqual([]);
    client.raw.sendNow(encodeCredit(client.raw.id, 1, 600));
    client.raw.sendNow(encodeCredit(client.raw.id, 1, 500));
    client.raw.sendNow(encodeCredit(client.raw.id, 1, 1000));
    await settle();
    expect(agent.credits(1)).toEqual([600, 1000]);
  });

  test('HB-5: the smaller of client and tap is credited, and the tap alone never grows', async () => {
    const consumed = [Infinity, 0, 0];
    const seen: [StreamId, number, number][] = [];
    const tap: RelayTap = {
      data: (stream, bytes, offset) => void seen.push([stream, offset, bytes.length]),
      consumed: (stream) => consumed[stream]!,
    };
    const rig = new Rig({ tap });
    const [client, agent] = await rig.bareClient();
    agent.raw.sendNow(encodeData(agent.raw.id, 1, someBytes(1000)));
    agent.raw.sendNow(encodeData(agent.raw.id, 1, someBytes(500)));
    await settle();
    client.raw.sendNow(encodeCredit(client.raw.id, 1, 1500));
    await settle();
    expect([seen, agent.credits(1)]).toEqual([
      [
        [1, 0, 1000],
        [1, 1000, 500],
      ],
      [0],
    ]);
    consumed[1] = 1200;
    rig.relay.tapConsumed();
    consumed[1] = 9999;
    rig.relay.tapConsumed();
    await settle();
    expect(agent.credits(1)).toEqual([0, 1200, 1500]);
  });

  test.each([
    [
      'an agent past the window',
      'flow-violation',
      (_client: Bare, agent: Bare) => {
        for (let part = 0; part < 17; part++) agent.raw.sendNow(encodeData(agent.raw.id, 1, Buffer.alloc(16 * 1024)));
      },
    ],
    [
      'a client past the window',
      'flow-violation',
      (client: Bare) => {
        for (let part = 0; part < 17; part++) client.raw.sendNow(encodeData(client.raw.id, 0, Buffer.alloc(16 * 1024)));
      },
    ],
    ['credit for what never came', 'protocol', (client: Bare) => client.raw.sendNow(encodeCredit(client.raw.id, 1, 1))],
    [
      'EXIT before the EOFs',
      'protocol',
      (_client: Bare, agent: Bare) => agent.send({ type: 'exit', channel: 0, body: exit }),
    ],
    [
      'DATA after EOF',
      'protocol',
      (_client: Bare, agent: Bare) => {
        agent.send({ type: 'eof', channel: 0, stream: 1 });
        agent.raw.sendNow(encodeData(agent.raw.id, 1, bytesOf('x')));
      },
    ],
    ['EXIT from a client', 'protocol', (client: Bare) => client.send({ type: 'exit', channel: 0, body: exit })],
    [
      'output from a client',
      'protocol',
      (client: Bare) => client.raw.sendNow(encodeData(client.raw.id, 1, bytesOf('x'))),
    ],
  ] as [string, string, (client: Bare, agent: Bare) => void][])(
    '%s ends both sides as %s',
    async (_name, reason, misbehave) => {
      const rig = new Rig();
      const [client, agent] = await rig.bareClient();
      misbehave(client, agent);
      await settle(300);
      expect(rig.reports.map((report) => report.close.reason) as string[]).toEqual([reason]);
      expect([client.got.at(-1), agent.got.at(-1)]).toMatchObject([
        { type: 'close', reason },
        { type: 'close', reason },
      ]);
    },
  );
});

describe('HB-6: attaching again', () => {
  const resume = { session, token, received: { in: 0, out: 0, err: 0 } };

  test('a second client takes over, the first one is superseded', async () => {
    const rig = new Rig().withEnd();
    const first = await rig.clientEnd();
    first.handle({});
    const second = new Bare(rig.client.other.open({ type: 'resume', resume }));
    expect(await first.closed).toEqual({ reason: 'superseded', text: '' });
    await settle();
    expect(second.got[0]).toMatchObject({ type: 'resumeOk', body: { session, received: resume.received } });
    expect(rig.agentEnd?.isCut).toBe(false);
  });

  test('RESUME waits for an agent that is away', async () => {
    const rig = new Rig().withEnd();
    const client = await rig.clientEnd();
    client.handle({});
    rig.reachable = false;
    rig.agent.sockets[0].terminate();
    await settle();
    expect(client.isCut).toBe(true);
    const back = client.resumeOn(rig.client.other, { token });
    await settle();
    expect(client.isCut).toBe(true);
    Object.assign(rig.agent, linkPair({}, { first: (_link, raw, what) => rig.onAgent(raw, what) }));
    rig.reachable = true;
    rig.relay.agentBack();
    expect(await back).toBe(true);
    expect(rig.agentEnd?.isCut).toBe(false);
  });

  test('what the agent said at its end is told to a client that comes back', async () => {
    const rig = new Rig().withEnd();
    const client = await rig.clientEnd();
    client.handle({});
    rig.client.sockets[0].terminate();
    await settle();
    rig.agentEnd!.abort('agent-restarted');
    await settle();
    rig.onAgent = (raw) => raw.close('no-session');
    Object.assign(
      rig.client,
      linkPair({ first: (_link, raw, what) => what.type === 'resume' && rig.relay.attachClient(raw, what.resume) }),
    );
    await client.resumeOn(rig.client.other, { token });
    expect(await client.closed).toEqual({ reason: 'agent-restarted', text: '' });
  });

  test('a session that had ended is reported so, though its client never came for the rest', async () => {
    const rig = new Rig();
    const [, agent] = await rig.bareClient();
    rig.client.sockets[0].terminate();
    await settle();
    for (const stream of [1, 2] as const) agent.send({ type: 'eof', channel: 0, stream });
    agent.send({ type: 'exit', channel: 0, body: exit });
    agent.send({ type: 'close', channel: 0, reason: 'ok', text: '' });
    await settle();
    rig.relay.end('timeout', 'nobody came back');
    expect(rig.reports).toMatchObject([{ exit, close: { reason: 'ok' } }]);
  });

  test('a relay that is over knows no session', async () => {
    const rig = new Rig().withEnd();
    await rig.clientEnd();
    rig.relay.end('killed');
    const late = new Bare(rig.client.other.open({ type: 'resume', resume }));
    await settle();
    expect(late.got).toMatchObject([{ type: 'close', reason: 'no-session' }]);
  });

  test.each([[false], [true]])(
    'RP-2: a session that went on through another replica leaves this one as superseded (passing: %s)',
    async (passing) => {
      const here = new Rig({ passing }).withEnd();
      const client = new Bare(here.client.other.open({ type: 'open', open: execOpen }));
      await settle();
      const there = new Rig();
      there.onAgent = (raw, first) => first.type === 'resume' && here.agentEnd?.resumeFrom(raw, first.resume);
      const moved = new Bare(there.client.other.open({ type: 'resume', resume }));
      await settle();
      expect(moved.got[0]).toMatchObject({ type: 'resumeOk' });
      expect(client.got.at(-1)).toMatchObject({ type: 'close', reason: 'superseded' });
      expect(here.reports.map(({ close }) => close.reason)).toEqual(['superseded']);
      expect([here.agentEnd?.isCut, there.relay.isOver]).toEqual([false, false]);
    },
  );

  test('RP-1: one that serves another replica ends with either of its channels', async () => {
    const rig = new Rig({ passing: true }).withEnd();
    const client = await rig.clientEnd();
    client.handle({});
    rig.client.sockets[0].terminate();
    await settle();
    expect([rig.relay.isOver, rig.agentEnd?.isCut, rig.agentEnd?.isEnded]).toEqual([true, true, false]);
  });

  test('EX-8: left alone it goes on, and only the tap is waited for', async () => {
    let taped = 0;
    const tap: RelayTap = {
      data: (_stream, bytes) => void (taped += bytes.length),
      consumed: (stream) => (stream === 0 ? Infinity : taped),
    };
    const rig = new Rig({ tap }).withEnd();
    const client = await rig.clientEnd();
    client.handle({});
    rig.relay.unattend();
    expect((await client.closed).reason).toBe('ok');
    for (let part = 0; part < 40; part++) await rig.agentEnd!.write(1, someBytes(16 * 1024));
    await settle(40);
    rig.agentEnd!.close('ok');
    await rig.agentEnd!.closed;
    expect([taped, rig.reports[0]?.close.reason]).toEqual([40 * 16 * 1024, 'ok']);
  });
});

test('RP-1: 20 sessions through a peer at once, each byte once', async () => {
  const random = seeded(5);
  const world = new World(2, random);
  world.connectAgent(world.replicas[0]!);
  await world.replicas[0]!.agent?.greeted;
  const near = world.connectClient(world.replicas[1]!);
  await near.greeted;
  // The peer link is made by the first asker, who is told to come again.
  await ChannelEnd.open(near.near, execOpen).closed;
  await settle();
  const sent = someBytes(100_000);
  world.onAgentOpen = (end) => {
    end.handle({});
    void end.write(1, sent).then(() => end.close('ok'));
  };
  for (let run = 0; run < 20; run++) {
    const got: Buffer[] = [];
    const client = ChannelEnd.open(near.near, execOpen);
    client.handle({ data: (_stream, bytes) => void got.push(Buffer.from(bytes)) });
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  }
  expect(world.faults).toEqual([]);
});
