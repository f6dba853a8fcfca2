import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { ChannelEnd } from './channel-end.ts';
import { ChannelClosed } from './channel.ts';
import { resumeEnd } from './resume-end.ts';
import { bytesOf, Direct, exitOf, heard, inOrder, settle, tick } from './testing/direct.ts';
import { linkPair } from './testing/link-pair.ts';
import { execOpen, session } from './testing/relay-world.ts';

describe('HB-6, EX-7: cuts', () => {
  test('signals and the last size wait for the link, in order', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const log = heard(direct.acceptor!);
    const clientLog = heard(client);
    client.sendResize(80, 24);
    await settle();
    direct.cut();
    client.sendResize(100, 30);
    client.sendResize(120, 40);
    for (let index = 0; index < 40; index++) client.sendSignal('USR1');
    client.sendSignal('INT');
    client.sendSignal('TERM');
    expect([client.isCut, direct.acceptor?.isCut]).toEqual([true, true]);
    direct.connect();
    expect(await client.resumeOn(direct.link, { token: 't' })).toBe(true);
    await settle();
    expect(log.slice(0, 4)).toEqual(['resize 80x24', 'cut', 'back', 'resize 120x40']);
    expect([log.length - 4, log.at(-2), log.at(-1)]).toEqual([32, 'signal INT', 'signal TERM']);
    expect(clientLog).toEqual(['cut', 'back']);
  });

  test('EXIT and CLOSE that were lost with the link come after it', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const log = heard(client);
    const agent = direct.acceptor!;
    agent.handle({});
    direct.cut();
    void agent.write(1, bytesOf('last words'));
    agent.end(1);
    agent.end(2);
    agent.sendExit(exitOf(7));
    agent.close('ok');
    await settle();
    expect(agent.isEnded).toBe(false);
    direct.connect();
    await client.resumeOn(direct.link, { token: 't' });
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
    expect(inOrder(log)).toEqual(['cut', 'back', 'data 1 10', 'eof', 'eof', 'exit 7', 'close ok']);
    await agent.closed;
  });

  test('who closed and finds nothing there has ended as they wished', async () => {
    const direct = new Direct();
    const client = await direct.open();
    direct.acceptor!.handle({});
    client.close('ok');
    await tick();
    direct.acceptor!.abort('ok');
    direct.cut();
    direct.acceptor = undefined;
    direct.connect();
    expect(await client.resumeOn(direct.link, { token: 't' })).toBe(false);
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
  });

  test('no-session ends it; agent-offline only puts it off', async () => {
    const direct = new Direct();
    const client = await direct.open();
    let answer: CloseReason = 'agent-offline';
    const { other, sockets } = linkPair({ first: (_link, raw) => raw.close(answer) });
    direct.cut();
    expect(await client.resumeOn(other, { token: 't' })).toBe(false);
    expect(client.isCut).toBe(true);
    answer = 'no-session';
    expect(await client.resumeOn(other, { token: 't' })).toBe(false);
    expect(await client.closed).toEqual({ reason: 'no-session', text: '' });
    sockets[0].terminate();
  });

  test('RESUME that counts what was never sent is refused, and the session stays', async () => {
    const direct = new Direct();
    await direct.open();
    const agent = direct.acceptor!;
    direct.cut();
    direct.connect();
    const raw = direct.link.open({
      type: 'resume',
      resume: { session, token: 't', received: { in: 0, out: 9, err: 0 } },
    });
    const answers: string[] = [];
    raw.adopt({ onFrame: (frame) => void answers.push(frame.type), pull: () => undefined, onDown: () => {} });
    await settle();
    expect([answers, agent.isCut, agent.isEnded]).toEqual([['close'], true, false]);
  });

  test('an answer that lost bytes is a protocol error, not a hole', async () => {
    const direct = new Direct();
    const client = await direct.open();
    client.handle({});
    await client.write(0, bytesOf('abc'));
    await settle();
    direct.cut();
    const { other } = linkPair({
      first: (_link, raw) =>
        raw.sendNow(
          encodeFrame({ type: 'resumeOk', channel: raw.id, body: { session, received: { in: 4, out: 0, err: 0 } } }),
        ),
    });
    await client.resumeOn(other, { token: 't' });
    expect(await client.closed).toEqual({ reason: 'protocol', text: 'bytes were lost' });
  });

  test('EX-7: an opener comes back by itself', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const agent = direct.acceptor!;
    agent.handle({});
    let tries = 0;
    const connect = () => {
      if (tries++ === 0) return Promise.reject(new Error('not yet'));
      direct.connect();
      return Promise.resolve(direct.link);
    };
    const back = Promise.withResolvers<boolean>();
    client.handle({ cut: (isCut) => void (isCut && resumeEnd(client, { connect, token: 't' }).then(back.resolve)) });
    direct.cut();
    expect(await back.promise).toBe(true);
    expect(tries).toBe(2);
    await client.write(0, bytesOf('still here'));
    await settle();
    expect(agent.received.in).toBe(10);
  });

  test('EX-7: after a minute it gives up as link-lost', async () => {
    const direct = new Direct();
    const client = await direct.open();
    client.handle({});
    direct.cut();
    const connect = () => Promise.reject(new Error('away'));
    expect(await resumeEnd(client, { connect, token: 't', forMs: 150 })).toBe(false);
    expect(await client.closed).toMatchObject({ reason: 'link-lost' });
  });

  test('before OPEN_OK there is nothing to come back to', async () => {
    const { other, sockets } = linkPair({ first: () => {} });
    const client = ChannelEnd.open(other, execOpen);
    sockets[0].terminate();
    expect(await client.closed).toEqual({ reason: 'link-lost', text: '' });
    expect(await errorOf(client.opened)).toBeInstanceOf(ChannelClosed);
  });
});
