/** What a key may ask of the arena, from `labctl keys create` to the headers that the arena believes (RP8, G-13, G-20). */
import { expect, test } from 'bun:test';
import { bearer, errorOf, VerificationGround } from './harness/verification-ground.ts';

const rightsIn = (headers: Record<string, string> | undefined) => [
  headers?.['x-labmesh-priority-most'],
  headers?.['x-labmesh-variations-most'],
];

test('every call of a key tells its rights, which its client cannot', async () => {
  await using ground = await VerificationGround.start();
  const usual = await ground.newKey({});
  const urgent = await ground.newKey({ priority: 'critical', variations: 16, scopes: ['chat', 'verify'] });
  const forged = { 'x-labmesh-priority-most': 'critical', 'x-labmesh-variations-most': '16' };
  const block = { priority: 'critical', variations: 16 };
  for (const [{ key }, rights] of [
    [usual, ['normal', undefined]],
    [urgent, ['critical', '16']],
  ] as const) {
    const init = bearer(key, forged);
    expect((await ground.verified(block, {}, init)).status).toBe(200);
    expect(rightsIn(ground.arena.offers.at(-1)?.headers)).toEqual([...rights]);
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'q' }], verification: block });
    await (await ground.get('/api/arena/runs', { method: 'POST', body, ...init })).text();
    expect(rightsIn(ground.arena.offers.at(-1)?.headers)).toEqual([...rights]);
    await (await ground.get('/api/arena/trajectories', { method: 'POST', body: '{}', ...init })).text();
    expect(rightsIn(ground.arena.calls.at(-1)?.headers)).toEqual([...rights]);
  }
  // The offer itself says nothing of rights: only the headers do.
  expect(ground.arena.offers).toHaveLength(4);
  for (const { offer } of ground.arena.offers) expect(offer.variationsMost).toBeUndefined();
});

test('an intercept that says its class in the header has it in the arena too; the block comes first', async () => {
  await using ground = await VerificationGround.start();
  const { key } = await ground.newKey({ priority: 'high', scopes: ['chat', 'verify'] });
  const asked = async (block: object, header: string) => {
    const init = bearer(key, { 'x-labmesh-priority': header, 'x-labmesh-cache': 'no-store' });
    expect((await ground.verified(block, {}, init)).status).toBe(200);
    return ground.arena.offers.at(-1)?.offer.block.priority;
  };
  expect(await asked({}, 'high')).toBe('high');
  expect(await asked({ priority: 'low' }, 'high')).toBe('low');
  expect(await asked({}, 'now')).toBeUndefined();
});

test('audit and shadow too; a right ends with its key; without keys whoever is here is the operator', async () => {
  await using ground = await VerificationGround.start('[verification]\nmode = "audit"');
  const { id, key } = await ground.newKey({ priority: 'high' });
  expect((await ground.chat({}, bearer(key))).status).toBe(200);
  while (ground.arena.offers.length === 0) await Bun.sleep(5);
  expect(rightsIn(ground.arena.offers[0]?.headers)).toEqual(['high', undefined]);
  await ground.admin('DELETE', `/keys/${id}`);
  expect((await ground.verified({}, {}, bearer(key))).status).toBe(401);
  await using open = await VerificationGround.start('[gateway.auth]\nopen = true');
  expect((await open.verified({ priority: 'critical' }, {}, {})).status).toBe(200);
  expect(rightsIn(open.arena.offers[0]?.headers)).toEqual(['critical', undefined]);
});

test('rights that are changed hold from the next request on, downwards too; nothing else of the key changes', async () => {
  await using ground = await VerificationGround.start();
  const { id, key } = await ground.newKey({ priority: 'critical', tenant: 'acme', scopes: ['chat', 'verify'] });
  const rightsNow = async () => {
    await (await ground.verified({ priority: 'critical' }, {}, bearer(key, { 'x-labmesh-cache': 'no-store' }))).text();
    return rightsIn(ground.arena.offers.at(-1)?.headers);
  };
  expect(await rightsNow()).toEqual(['critical', undefined]);
  const row = await ground.admin('PATCH', `/keys/${id}`, { priority: 'low', variations: 7, verification: 'intercept' });
  expect(row).toMatchObject({ id, tenant: 'acme', variations: 7, verification: 'intercept' });
  expect(row['scopes']).toEqual(['chat', 'verify', 'priority:low']);
  expect(await rightsNow()).toEqual(['low', '7']);
  // What is not named stays.
  await ground.admin('PATCH', `/keys/${id}`, { variations: null });
  expect(await rightsNow()).toEqual(['low', undefined]);
  const logged = ground.mesh.logged();
  expect(logged).toContain('"msg":"a key was changed"');
  expect(logged).not.toContain(key);
});

test('a change that is none, of no key, or without the admin token changes nothing', async () => {
  await using ground = await VerificationGround.start();
  const { id, key } = await ground.newKey({ priority: 'low' });
  const rows = async () => (await ground.admin('GET', '/keys'))['keys'];
  const before = await rows();
  for (const [body, param] of [
    [{}, ''],
    [{ tenant: 'other' }, ''],
    [{ scopes: ['chat'] }, ''],
    [{ priority: 'urgent' }, 'priority'],
    [{ priority: null }, 'priority'],
    [{ variations: 17 }, 'variations'],
    [{ variations: 0 }, 'variations'],
    [{ verification: 'always' }, 'verification'],
  ] as const)
    expect(await ground.admin('PATCH', `/keys/${id}`, body)).toMatchObject({ error: { code: 'invalid_type', param } });
  const init = { method: 'PATCH', body: JSON.stringify({ priority: 'critical' }) };
  expect((await ground.get(`/admin/keys/${id}`, { ...init, ...bearer(key) })).status).toBe(401);
  expect((await ground.get(`/admin/keys/${id}`, init)).status).toBe(401);
  const unknown = { error: { code: 'key_not_found' } };
  expect(await ground.admin('PATCH', '/keys/zzzzzzzzzzzz', { priority: 'high' })).toMatchObject(unknown);
  expect(await rows()).toEqual(before);
  await ground.admin('DELETE', `/keys/${id}`);
  expect(await ground.admin('PATCH', `/keys/${id}`, { priority: 'high' })).toMatchObject(unknown);
});

test('rights of a key are shown and kept; what is no class and no number of variations is refused by name', async () => {
  await using ground = await VerificationGround.start();
  const { id } = await ground.newKey({ priority: 'low', variations: 9 });
  type Row = { id: string; scopes: string[]; variations?: number };
  const { keys } = (await ground.admin('GET', '/keys')) as { keys: Row[] };
  expect(keys.find((row) => row.id === id)).toMatchObject({
    scopes: expect.arrayContaining(['chat', 'verify', 'priority:low']),
    variations: 9,
  });
  for (const [name, values] of [
    ['priority', ['urgent', '', 4]],
    ['variations', [0, 17, 1.5, '5']],
  ] as const)
    for (const value of values)
      expect(await ground.admin('POST', '/keys', { name: 'k', [name]: value })).toMatchObject({
        error: { param: name },
      });
  const wrong = await ground.verified({ priority: 'urgent' });
  expect([wrong.status, await errorOf(wrong)]).toMatchObject([
    400,
    { code: 'verification_bad_option', param: 'verification.priority' },
  ]);
});
