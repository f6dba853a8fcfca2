/** HB-3, acceptance 13: this agent with a labd of the version before and of the one to come. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { LinkClosed } from '@labmesh/link/link';
import { testHelloOk } from '@labmesh/link/testing/link-pair';
import { MtlsRig } from '@labmesh/link/testing/mtls-rig';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import type { Hello, HelloOk, Msg } from '@labmesh/wire/frame/messages';
import type { AgentIdentity } from '../identity/agent-identity.ts';
import { Connection } from './connection.ts';

let rig: MtlsRig;
beforeAll(async () => {
  rig = await MtlsRig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Connects to a labd that answers HELLO with `answer`; what came of it. */
async function meet(answer: (hello: Hello) => HelloOk | 'version', later: readonly unknown[] = []) {
  const msgs: Msg[] = [];
  let ok: HelloOk | undefined;
  const listener = await rig.listen({
    hello: (link, hello) => {
      const welcome = answer(hello);
      if (welcome === 'version') return link.close('version', 'this labd speaks 2, 3');
      link.accept(welcome);
      for (const body of later) link.sendControl(encodeFrame({ type: 'msg', channel: 0, body: body as Msg }));
    },
  });
  const identity = {
    bundlePem: rig.ca.bundlePem,
    bundleDigest: '',
    serverId: '01900000-0000-7000-8000-00000000000b',
    client: { privatePem: rig.agent.key.privatePem, chainPem: rig.agent.certificatePem + rig.ca.chainPem },
  } as AgentIdentity;
  const ending = new AbortController();
  const connection = new Connection(`https://127.0.0.1:${listener.port}`, {
    identity,
    hello: () => ({
      protocols: [1],
      kind: 'agent',
      instanceId: '01900000-0000-7000-8000-00000000000c',
      bootId: '',
      version: '0.2.0',
      os: 'linux',
      arch: 'x64',
      capabilities: [],
      factsDigest: '',
      sessions: [],
    }),
    first: (raw) => raw.close('denied'),
    onMsg: (msg) => void msgs.push(msg),
    onGoaway: () => {},
    onUp: (welcome) => {
      ok = welcome;
      setTimeout(() => ending.abort(), 200);
    },
    channels: () => 0,
    shipping: () => undefined,
    log: silentLogger,
  });
  const end = await connection.run(ending.signal).catch((error: unknown) => error);
  return { ok, msgs, end };
}

describe('HB-3', () => {
  test('a labd of the version before tells less: what it does not say has a default', async () => {
    const { urls: _, bundle: __, exec: ___, ...older } = testHelloOk;
    const { ok } = await meet(() => older as HelloOk);
    expect(ok).toMatchObject({ protocol: 1, urls: [], bundle: '' });
    expect(ok?.exec).toBeUndefined();
  });

  test('a labd to come tells more, and speaks of things that are not known yet: both are passed over', async () => {
    const desired = { kind: 'desired', desired: { kind: 'weather', rain: true }, more: 1 };
    const later = [{ kind: 'from-a-later-version', x: [1] }, desired];
    const { ok, msgs, end } = await meet(() => ({ ...testHelloOk, weather: 'rain' }) as HelloOk, later);
    expect(ok?.protocol).toBe(1);
    expect(msgs).toEqual([{ kind: 'desired', desired: { kind: 'weather', rain: true } }]);
    expect(end).not.toBeInstanceOf(Error);
  });

  test('a labd that has left this version behind closes with 4426, and the agent tries again later', async () => {
    const { ok, end } = await meet(() => 'version');
    expect(ok).toBeUndefined();
    expect(end).toBeInstanceOf(LinkClosed);
    expect((end as LinkClosed).code).toBe(4426);
  });
});
