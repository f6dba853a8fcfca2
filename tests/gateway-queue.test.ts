/** Two keys at one engine that has one place: who waits in front of it, and who starts when (G-20). Starts are counted, not timed. */
import { expect, test } from 'bun:test';
import { bearer, errorOf, until, VerificationGround } from './harness/verification-ground.ts';

/** A ground whose engine is held by a request until `release`, and what started at it after that one. */
async function held(toml: string) {
  const ground = await VerificationGround.start(toml, { arena: 'none', sim: { prefillMs: 60_000 } });
  ground.mesh.endpoint('sim').spec.maxConcurrent = 1;
  const leave = new AbortController();
  const first = ground.chat({}, { ...bearer(ground.mesh.key), signal: leave.signal }).catch(() => undefined);
  await until(async () => ground.asked.length === 1);
  ground.engine.options.prefillMs = 0;
  const said = (content: string) => ({ messages: [{ role: 'user', content }] });
  return {
    ground,
    /** A request that says `name`; resolves once it waits, with what comes of it. */
    async enter(name: string, key: string, headers = {}) {
      const queued = async () => (await ground.admin('GET', '/status'))['queued'] as number;
      const before = await queued();
      const status = ground.chat(said(name), bearer(key, headers)).then((response) => response.status);
      await until(async () => (await queued()) === before + 1);
      return { status };
    },
    chat: (name: string, key: string) => ground.chat(said(name), bearer(key)),
    async release() {
      leave.abort();
      await first;
    },
    started: () =>
      ground.asked
        .slice(1)
        .map(({ body }) => (JSON.parse(body) as { messages: [{ content: string }] }).messages[0].content),
    [Symbol.asyncDispose]: () => ground[Symbol.asyncDispose](),
  };
}

test('who comes with two starts after one each of who came with eight, and has room where that one has none', async () => {
  await using engine = await held('[queue]\nmax = 16');
  const { key: many } = await engine.ground.newKey({ tenant: 'many' });
  const { key: few } = await engine.ground.newKey({ tenant: 'few' });
  const answers: { status: Promise<number> }[] = [];
  for (let at = 1; at <= 8; at++) answers.push(await engine.enter(`many ${at}`, many));
  const more = await engine.chat('one too many', many);
  expect([more.status, (await errorOf(more)).code]).toEqual([429, 'queue_full']);
  for (let at = 1; at <= 2; at++) answers.push(await engine.enter(`few ${at}`, few));
  await engine.release();
  for (const { status } of answers) expect(await status).toBe(200);
  expect(engine.started().slice(0, 4)).toEqual(['many 1', 'few 1', 'many 2', 'few 2']);
  expect(engine.started()).toHaveLength(10);
});

test('a class is asked for by a header and held to that of the key', async () => {
  await using engine = await held('');
  const urgent = { 'x-labmesh-priority': 'critical' };
  const { key: usual } = await engine.ground.newKey({ tenant: 'usual' });
  const { key: high } = await engine.ground.newKey({ tenant: 'high', priority: 'high' });
  const answers = [
    await engine.enter('plain', usual),
    await engine.enter('asks for more than it may', usual, urgent),
    await engine.enter('may, and does not ask', high),
    await engine.enter('no class', high, { 'x-labmesh-priority': 'now' }),
    await engine.enter('may, and asks', high, urgent),
  ];
  await engine.release();
  for (const { status } of answers) expect(await status).toBe(200);
  expect(engine.started()[0]).toBe('may, and asks');
  expect(engine.started()[1]).toBe('plain');
});
