/** How an endpoint is chosen (gateway I-14, I-15, verification AR3): by the settings, for the arena's own calls as it says. */
import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { startMesh } from './harness/start-mesh.ts';
import { bearer } from './harness/verification-ground.ts';
import type { EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { startEngine } from './simulators/engines/start-engine.ts';

const names = ['a', 'b', 'c'];

/** A gateway with three engines of one model. */
async function three(toml = '') {
  const engines: EngineSimulator[] = [];
  for (const _ of names) engines.push(await startEngine({ kind: 'vllm', models: ['m'] }));
  const mesh = await startMesh(
    engines.map(({ url }, index) => ({ name: names[index] ?? '', baseUrl: url })),
    { toml },
  );
  const asked = () =>
    engines.map(({ requests }) => requests.filter(({ path }) => path === '/v1/chat/completions').length);
  return {
    mesh,
    asked,
    /** The engine that answered. */
    async ask(content: string, headers: Record<string, string> = {}, secret = mesh.key): Promise<string> {
      const before = asked();
      const messages = [{ role: 'user', content }];
      const body = { temperature: Math.random(), model: 'm', messages };
      const response = await mesh.post('/v1/chat/completions', body, bearer(secret, headers));
      expect(response.status).toBe(200);
      await response.text();
      const index = asked().findIndex((count, at) => count > (before[at] ?? 0));
      return names[index] ?? 'none';
    },
    async [Symbol.asyncDispose]() {
      await mesh[Symbol.asyncDispose]();
      for (const engine of engines) await engine[Symbol.asyncDispose]();
    },
  };
}

const arenaCall = { 'x-labmesh-verify': 'off', 'x-labmesh-tenant': 'default' };

test('round_robin goes by name, one after the other', async () => {
  await using ground = await three('[gateway]\nrouting = "round_robin"');
  const got: string[] = [];
  for (let i = 0; i < 6; i++) got.push(await ground.ask(`question ${i}`));
  expect(got).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('hash_based keeps a session at one endpoint, by its header or by how its prompt begins', async () => {
  await using ground = await three('[gateway]\nrouting = "hash_based"');
  const long = 'system words '.repeat(100);
  const first = await ground.ask(`${long} one`);
  for (const rest of ['two', 'three', 'four']) expect(await ground.ask(`${long} ${rest}`)).toBe(first);
  const spread = new Set<string>();
  for (let i = 0; i < 12; i++) spread.add(await ground.ask(`${i} ${long}`));
  expect(spread.size).toBeGreaterThan(1);
  const session = { 'x-labmesh-session': 'mine' };
  const owner = await ground.ask('one', session);
  for (let i = 0; i < 6; i++) expect(await ground.ask(`another ${i}`, session)).toBe(owner);
});

test('the arena says it for its own calls; a client that says so is not heard, and no word means the usual', async () => {
  await using ground = await three('[gateway]\nrouting = "hash_based"');
  const { internalToken } = ground.mesh.gateway;
  const usual = await ground.ask('the question');
  const got: string[] = [];
  const forKey = { ...arenaCall, 'x-labmesh-key': ground.mesh.key.slice(4, 16) };
  const byTurns = { ...forKey, 'x-labmesh-routing': 'round_robin' };
  for (let i = 0; i < 3; i++) got.push(await ground.ask('the question', byTurns, internalToken));
  expect(got.toSorted()).toEqual(names);
  for (const word of ['round_robin', 'no_such']) {
    const headers = { 'x-labmesh-routing': word };
    for (let i = 0; i < 3; i++) expect(await ground.ask('the question', headers)).toBe(usual);
  }
  for (const word of [undefined, 'no_such', '__proto__']) {
    const headers = { ...forKey, ...(word !== undefined && { 'x-labmesh-routing': word }) };
    expect(await ground.ask('the question', headers, internalToken)).toBe(usual);
  }
});

test('a routing that is none stops the start, with the names there are', async () => {
  expect(await thrower(three('[gateway]\nrouting = "fastest"'))).toThrow('round_robin');
});
