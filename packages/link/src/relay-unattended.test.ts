/** EX-8: a session that goes on without a client, whose output only the recorder takes. */
import { expect, test } from 'bun:test';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { ChannelEnd } from './channel-end.ts';
import type { RelayTap } from './channel-relay.ts';
import { bytesOf, exitOf, heard, settle } from './testing/direct.ts';
import { linkPair } from './testing/link-pair.ts';
import { Bare, Rig } from './testing/relay-rig.ts';
import { session, someBytes, token } from './testing/relay-world.ts';

/** Keeps what it is told; credit only up to `upTo`. */
class Tape implements RelayTap {
  readonly parts: Buffer[] = [];
  readonly said: string[] = [];
  upTo = Infinity;
  /** Count of the stream up to which it has seen it. */
  length = 0;
  begin = (stream: StreamId, offset: number) => void (stream === 1 && (this.length = offset));
  data(stream: StreamId, bytes: Uint8Array, offset: number): void {
    expect([stream, offset]).toEqual([1, this.length]);
    this.parts.push(Buffer.from(bytes));
    this.length += bytes.length;
  }
  exit = ({ code }: { code: number | null }) => void this.said.push(`exit ${code}`);
  close = ({ reason }: { reason: string }) => void this.said.push(`close ${reason}`);
  consumed = (stream: StreamId) => (stream === 1 ? Math.min(this.upTo, this.length) : Infinity);
}

async function unattended(tape: Tape): Promise<Rig> {
  const rig = new Rig({ tap: tape }).withEnd();
  const client = await rig.clientEnd();
  client.handle({});
  rig.agentEnd?.handle({});
  rig.relay.unattend();
  expect((await client.closed).reason).toBe('ok');
  expect([rig.relay.isUnattended, rig.relay.hasClient]).toEqual([true, false]);
  return rig;
}

/** The link to the agent is cut, and another one takes its place. */
async function cutAgent(rig: Rig): Promise<void> {
  rig.agent.sockets[0].terminate();
  await settle();
  Object.assign(rig.agent, linkPair({}, { first: (_link, raw, what) => rig.onAgent(raw, what) }));
}

async function writeAll(end: ChannelEnd | undefined, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += 16_384) await end?.write(1, bytes.subarray(at, at + 16_384));
}

test('EX-8: cuts of the agent lose nothing and double nothing, and its end is told to the tap', async () => {
  const tape = new Tape();
  const rig = await unattended(tape);
  const sent = someBytes(600_000);
  const writing = writeAll(rig.agentEnd, sent);
  for (let cut = 0; cut < 5; cut++) {
    await settle(3);
    await cutAgent(rig);
    expect(rig.relay.hasAgent).toBe(false);
    rig.relay.agentBack();
  }
  await writing;
  for (const stream of [1, 2] as const) rig.agentEnd?.end(stream);
  rig.agentEnd?.sendExit(exitOf(3));
  rig.agentEnd?.close('ok');
  await rig.agentEnd?.closed;
  expect(Buffer.concat(tape.parts).equals(sent)).toBe(true);
  expect(tape.said).toEqual(['exit 3', 'close ok']);
  expect(rig.reports).toMatchObject([{ exit: { code: 3 }, close: { reason: 'ok' }, bytes: { out: sent.length } }]);
});

test('HB-5: a recorder that stands still holds the command back at one window', async () => {
  const tape = new Tape();
  tape.upTo = 0;
  const rig = await unattended(tape);
  const writing = writeAll(rig.agentEnd, someBytes(600_000));
  await settle(50);
  expect(tape.length).toBe(256 * 1024);
  tape.upTo = Infinity;
  rig.relay.tapConsumed();
  await writing;
  await settle();
  expect(tape.length).toBe(600_000);
});

test('RP-2: a relay that is new, on another replica, takes up what nobody has taken', async () => {
  const rig = await unattended(new Tape());
  await rig.agentEnd?.write(1, bytesOf('before '));
  await settle();
  const tape = new Tape();
  const there = new Rig({ tap: tape });
  there.onAgent = (raw, first) => first.type === 'resume' && rig.agentEnd?.resumeFrom(raw, first.resume);
  there.relay.unattend();
  there.relay.agentBack();
  await settle();
  // The one of before is told that it is not the one any more.
  expect(rig.reports.map(({ close }) => close.reason)).toEqual(['superseded']);
  await rig.agentEnd?.write(1, bytesOf('after'));
  rig.agentEnd?.close('ok');
  await rig.agentEnd?.closed;
  expect(Buffer.concat(tape.parts).toString()).toBe('after');
  expect(tape.said).toEqual(['close ok']);
});

test('EX-8: an agent that forgot it ends it', async () => {
  const tape = new Tape();
  const rig = await unattended(tape);
  rig.onAgent = (raw) => raw.close('no-session');
  await cutAgent(rig);
  rig.relay.agentBack();
  await settle();
  expect(rig.reports.map(({ close }) => close.reason)).toEqual(['no-session']);
  expect(tape.said).toEqual(['close no-session']);
});

test('HB-6: whoever has the token may come back to it, and gets what comes from then on', async () => {
  const tape = new Tape();
  const rig = await unattended(tape);
  await rig.agentEnd?.write(1, bytesOf('alone '));
  await settle(20);
  const received = { in: 0, out: 6, err: 0 };
  const back = new Bare(rig.client.other.open({ type: 'resume', resume: { session, token, received } }));
  await settle();
  expect(back.got[0]).toMatchObject({ type: 'resumeOk' });
  expect(rig.relay.isUnattended).toBe(false);
  await rig.agentEnd?.write(1, bytesOf('together'));
  await settle();
  expect(back.got.flatMap((frame) => (frame.type === 'data' ? Buffer.from(frame.bytes).toString() : []))).toEqual([
    'together',
  ]);
  expect(Buffer.concat(tape.parts).toString()).toBe('alone together');
});

test('EX-8: CLOSE with the word detach leaves the command to us; any other one ends it', async () => {
  const log: string[] = [];
  for (const text of ['detach', '']) {
    const rig = new Rig({ tap: new Tape() }).withEnd();
    const client = await rig.clientEnd();
    client.handle({});
    if (rig.agentEnd !== undefined) log.push(...heard(rig.agentEnd));
    client.close('ok', text);
    await client.closed.then(() => settle());
    log.push(`${rig.relay.isUnattended} ${rig.agentEnd?.isEnded}`);
  }
  expect(log).toEqual(['true false', 'false true']);
});
