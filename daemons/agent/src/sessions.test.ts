import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { First } from '@labmesh/link/first-frame';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { linkPair } from '@labmesh/link/testing/link-pair';
import type { Open, OpenOf } from '@labmesh/wire/frame/open';
import { openAttach, openExec } from './exec/run-exec.ts';
import { defaultSessionOptions, type SessionOptions } from './session-options.ts';
import { Refused } from './session-run.ts';
import { Sessions } from './sessions.ts';
import { execOpen, TestClient, testWorld } from './testing/client.ts';

type Rig = ReturnType<typeof rig>;

/** labd and an agent over links in memory that can be cut. */
function rig(options: Partial<SessionOptions> = {}, clock = systemClock) {
  const all = { ...defaultSessionOptions, ...options };
  const world = testWorld(all);
  const sessions = new Sessions({
    clock,
    log: silentLogger,
    options: all,
    open: async (open, target) => {
      if (open.kind === 'exec') return openExec(open, world);
      if (open.kind === 'attach') return openAttach(open, target(open.target));
      throw new Refused('not-found', open.kind);
    },
  });
  const dial = () =>
    linkPair({}, { first: (_link: unknown, raw: RawChannel, first: First) => sessions.take(raw, first) });
  return { sessions, dial, pair: dial() };
}

/** Delivers what lies in the sockets until the test says otherwise. */
async function open(rig: Rig, wanted: Open) {
  const channel = ChannelEnd.open(rig.pair.labd, wanted);
  const client = new TestClient(channel);
  const ok = await channel.opened;
  return { channel, client, ok };
}

const exec = (wanted: Partial<OpenOf<'exec'>>) => execOpen({ stdin: true, ...wanted });
const attach = (target: string): Open => ({ kind: 'attach', target, tty: null });

describe('HB-6 sessions', () => {
  test('OPEN_OK carries session and token; the session is listed while it lives', async () => {
    const here = rig();
    const { client, ok } = await open(here, exec({ shell: 'read x; echo $x' }));
    expect(Buffer.from(ok.token!, 'base64url')).toHaveLength(16);
    expect(here.sessions.list()).toEqual([ok.session]);
    await client.send('hello\n');
    expect((await client.closed).reason).toBe('ok');
    expect(client.out.toString()).toBe('hello\n');
    await Bun.sleep(20);
    expect(here.sessions.list()).toEqual([]);
  });

  test('RESUME needs the token and the principal it was given to', async () => {
    const here = rig();
    const { ok } = await open(here, exec({ shell: 'read x', principal: 'user:alice' }));
    const resume = { session: ok.session, token: ok.token!, received: { in: 0, out: 0, err: 0 } };
    const found = (wanted: object) => here.sessions.resume({ ...resume, principal: 'user:alice', ...wanted });
    expect(found({})).toBeInstanceOf(ChannelEnd);
    expect(found({ principal: 'user:bob' })).toBeUndefined();
    expect(found({ principal: undefined })).toBeUndefined();
    expect(found({ token: 'A'.repeat(22) })).toBeUndefined();
    expect(found({ session: Bun.randomUUIDv7() })).toBeUndefined();
    await here.sessions.endAll('killed');
  });

  test('a command goes on over a cut, byte for byte', async () => {
    const here = rig();
    const shell = 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 6';
    const { channel, client, ok } = await open(here, exec({ shell }));
    for (let cut = 0; cut < 10; cut++) {
      await Bun.sleep(5);
      here.pair.sockets[0].terminate();
      here.pair = here.dial();
      if (await channel.resumeOn(here.pair.labd, { token: ok.token! })) continue;
      break;
    }
    await client.closed;
    expect(client.out.toString()).toBe(Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join(''));
    expect(client.exit?.code).toBe(6);
  });
});

describe('EX-7 orphans', () => {
  test('nobody back in time: the command is hung up and the session is gone', async () => {
    const here = rig({ orphanTtlMs: 100, killAfterMs: 100 });
    const { client } = await open(here, exec({ shell: 'trap "echo hup > /dev/null; exit" HUP; echo on; read x' }));
    await client.until((out) => out.includes('on'));
    here.pair.sockets[0].terminate();
    const before = performance.now();
    while (here.sessions.list().length > 0 && performance.now() - before < 10_000) await Bun.sleep(50);
    expect(here.sessions.list()).toEqual([]);
  }, 20_000);

  test('the wait is orphanTtl from the cut, and coming back ends it', async () => {
    const clock = new FakeClock();
    const here = rig({ orphanTtlMs: 60_000 }, clock);
    const { channel, ok } = await open(here, exec({ argv: ['sleep', '60'] }));
    here.pair.sockets[0].terminate();
    await clock.advance(55_000);
    here.pair = here.dial();
    expect(await channel.resumeOn(here.pair.labd, { token: ok.token! })).toBe(true);
    await clock.advance(55_000);
    expect(here.sessions.list()).toEqual([ok.session]);
    const agentEnd = here.sessions.get(ok.session)!.channel!;
    here.pair.sockets[0].terminate();
    await clock.advance(70_000);
    expect((await agentEnd.closed).reason).toBe('link-lost');
  });

  test('a client that closes ends its command', async () => {
    const here = rig({ killAfterMs: 100 });
    const { client } = await open(here, exec({ argv: ['sleep', '60'] }));
    client.channel.close('cancelled');
    await client.closed;
    const before = performance.now();
    while (here.sessions.list().length > 0 && performance.now() - before < 10_000) await Bun.sleep(20);
    expect(here.sessions.list()).toEqual([]);
  }, 20_000);
});

describe('EX-8 detach and attach', () => {
  test('a detached command lives without client; attach replays its output and follows', async () => {
    const here = rig();
    const shell = 'echo early; read x; echo late $x; exit 7';
    const { client, ok } = await open(here, exec({ shell, detach: true }));
    await client.until((out) => out.includes('early'));
    client.channel.close('cancelled');
    await client.closed;
    await Bun.sleep(50);
    expect(here.sessions.list()).toEqual([ok.session]);
    const second = await open(here, attach(ok.session));
    expect(second.ok.dropped).toBe(0);
    await second.client.until((out) => out.includes('early'));
    await second.client.send('x\n');
    await second.client.closed;
    expect(second.client.out.toString()).toBe('early\nlate x\n');
    expect(second.client.exit?.code).toBe(7);
    await Bun.sleep(20);
    expect(here.sessions.list()).toEqual([]);
  });

  test('a client that closes as ok leaves its command running', async () => {
    const here = rig();
    const { client, ok } = await open(here, exec({ shell: 'echo a; read x; echo $x' }));
    await client.until((out) => out.includes('a'));
    client.channel.close('ok');
    await client.closed;
    await Bun.sleep(50);
    expect(here.sessions.list()).toEqual([ok.session]);
    const late = await open(here, attach(ok.session));
    await late.client.send('b\n');
    await late.client.closed;
    expect(late.client.out.toString()).toBe('a\nb\n');
  });

  test('without a client the oldest output falls out and is counted', async () => {
    const here = rig();
    const shell = 'read go; head -c 3000000 /dev/zero | tr "\\0" a; echo; echo END; read x';
    const { client, ok } = await open(here, exec({ shell, detach: true }));
    await client.send('\n');
    client.channel.close('cancelled');
    await client.closed;
    await Bun.sleep(500);
    const { client: late, ok: lateOk } = await open(here, attach(ok.session));
    await late.until((out) => out.includes('END'));
    expect(lateOk.dropped).toBeGreaterThan(1_500_000);
    expect(late.out.length + lateOk.dropped!).toBe(3_000_005);
    expect(late.out.length).toBeLessThanOrEqual(1024 * 1024);
    await here.sessions.endAll('killed');
  });

  test('the end of a detached command waits for whoever attaches, once', async () => {
    const here = rig();
    const { client, ok } = await open(here, exec({ shell: 'sleep 0.1; echo done; exit 3', detach: true }));
    client.channel.close('cancelled');
    await client.closed;
    await Bun.sleep(400);
    const late = await open(here, attach(ok.session));
    await late.client.closed;
    expect(late.client.out.toString()).toBe('done\n');
    expect(late.client.exit?.code).toBe(3);
    await Bun.sleep(20);
    expect(await thrower(open(here, attach(ok.session)))).toThrow('no-session');
  });

  test('two may follow one command', async () => {
    const here = rig();
    const first = await open(here, exec({ shell: 'echo a; read x; echo b' }));
    await first.client.until((out) => out.includes('a'));
    const second = await open(here, attach(first.ok.session));
    await second.client.until((out) => out.includes('a'));
    await first.client.send('\n');
    await Promise.all([first.client.closed, second.client.closed]);
    for (const { client } of [first, second]) {
      expect(client.out.toString()).toBe('a\nb\n');
      expect(client.exit?.code).toBe(0);
    }
  });
});

describe('bounds and refusals', () => {
  const reason = (opening: Promise<unknown>) =>
    opening.then(
      () => 'taken',
      (error: Error) => error.message,
    );

  test('AG-3 agent.exec = false', async () => {
    const here = rig({ exec: false });
    expect(await reason(open(here, exec({ argv: ['true'] })))).toContain('denied');
    expect(await reason(open(here, { kind: 'forward', server: 'x', host: 'localhost', port: 1 }))).toContain('denied');
    expect(await reason(open(here, { kind: 'logs', server: 'x', follow: false }))).toContain('not-found');
  });

  test('at most so many commands', async () => {
    const here = rig({ execMax: 2 });
    const openings = [1, 2, 3].map(() => reason(open(here, exec({ argv: ['sleep', '60'] }))));
    const answers = await Promise.all(openings);
    expect(answers.filter((answer) => answer === 'taken')).toHaveLength(2);
    expect(answers.find((answer) => answer !== 'taken')).toContain('limit');
    await here.sessions.endAll('killed');
    expect(await reason(open(here, exec({ argv: ['true'] })))).toBe('taken');
  });

  test('end closes with the reason and kills, also what is detached', async () => {
    const here = rig({ killAfterMs: 100 });
    const { client, ok } = await open(
      here,
      exec({ shell: 'trap "" HUP TERM; while :; do sleep 0.1; done', detach: true }),
    );
    expect(here.sessions.end(ok.session, 'killed', 'by user:root')).toBe(true);
    expect(await client.closed).toEqual({ reason: 'killed', text: 'by user:root' });
    const before = performance.now();
    await here.sessions.endAll('killed');
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(here.sessions.list()).toEqual([]);
    expect(here.sessions.end(ok.session, 'killed')).toBe(false);
  }, 20_000);
});
