import { describe, expect, test } from 'bun:test';
import { createTokenSchema, tokenSchema } from '@labmesh/wire/fleet/tokens';
import { sql } from 'kysely';
import { codeOf, localRoot, storedText, stranger } from '../../login/testing/callers.ts';
import { join, newMachine, newToken, openFleet, type Fleet } from '../testing/fleet.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const all = { none: false, all: true, where: () => sql<boolean>`1 = 1` };
const idOf = (text: string) => text.slice(0, 12);
const bastion = { ...stranger, principal: { kind: 'bastion', id: 'b', name: 'bastion-1' } } as const;

describe('join tokens (JT-1, JT-2)', () => {
  test('shown once, complete with the join lines; listed by its id, stored as a hash', async () => {
    await using fleet = await openFleet();
    const made = await fleet.tokens.create(localRoot, createTokenSchema.parse({ labels: { team: 'a' } }));
    const { token, joinCommand, joinCommandArgv, ...shown } = made;
    expect(token).toMatch(/^lmj_[0-9a-hjkmnp-tv-z]{8}_[\w-]{43}$/);
    const pin = fleet.authority.bundle().pins[0];
    const enroll = `sudo lab-agent enroll --url wss://a.labd.test:3101 --ca-pin ${pin}`;
    expect(joinCommand).toBe(`printf %s ${token} | ${enroll} --token-file -`);
    expect(joinCommandArgv).toBe(`${enroll} --token ${token}`);
    expect(shown).toMatchObject({ type: 'one-time', kind: 'agent', state: 'live', maxUses: 1, uses: 0 });
    expect(shown.expiresAt).toBe(new Date(fleet.clock.wall() + 30 * minute).toISOString());
    expect(shown.createdBy).toBe('local:root');
    for (const ref of [shown.id, shown.prefix, shown.prefix.slice(4)])
      expect(await fleet.tokens.get(localRoot, ref)).toEqual(tokenSchema.parse(shown));
    const stored = await storedText(fleet.store);
    expect(stored).not.toContain(token);
    expect(stored).not.toContain(token.slice(13));
    expect(stored).toContain(shown.prefix);
  });

  test('bounds: 24 h for one-time, 30 d and 50 uses for reusable ones, everything expires', () => {
    const parse = (token: object) => createTokenSchema.safeParse(token);
    expect(parse({ ttlMs: day }).success).toBe(true);
    expect(parse({ ttlMs: day + 1 }).error?.issues[0]?.path).toEqual(['ttlMs']);
    expect(parse({ type: 'reusable', ttlMs: 30 * day }).success).toBe(true);
    expect(parse({ type: 'reusable', ttlMs: 30 * day + 1 }).success).toBe(false);
    expect(parse({ maxUses: 2 }).error?.issues[0]?.path).toEqual(['maxUses']);
    expect(parse({ labels: { 'facts.os': 'x' } }).success).toBe(false);
    expect(parse({ kind: 'service', approve: true }).success).toBe(false);
    expect(parse({ macs: ['52-54-00-AB-CD-EF'] }).data?.macs).toEqual(['52:54:00:ab:cd:ef']);
    for (const cidrs of [['10.0.0.0/33'], ['x'], ['10.0.0.0/8', 'fd00::/129']])
      expect(parse({ cidrs }).success).toBe(false);
    expect(parse({ cidrs: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7', '::1'] }).success).toBe(true);
    for (const hostname of ['-a', 'a_b', 'a b', 'a\n']) expect(parse({ hostname }).success).toBe(false);
  });

  test('reusable: 50 uses unless told, each counted', async () => {
    await using fleet = await openFleet();
    expect((await fleet.tokens.create(localRoot, createTokenSchema.parse({ type: 'reusable' }))).maxUses).toBe(50);
    const text = await newToken(fleet, { type: 'reusable', maxUses: 2 });
    for (let n = 0; n < 2; n++) await join(fleet, text, await newMachine());
    expect(await codeOf(join(fleet, text, await newMachine()))).toBe('TOKEN_USED');
    expect(await fleet.tokens.get(localRoot, idOf(text))).toMatchObject({ uses: 2, state: 'used' });
  });

  test('list newest first, by state and kind, in pages', async () => {
    await using fleet = await openFleet();
    const texts: string[] = [];
    for (let n = 0; n < 3; n++) texts.push(await newToken(fleet));
    const service = await newToken(fleet, { kind: 'service' });
    await join(fleet, texts[0] ?? '', await newMachine());
    await fleet.tokens.revoke(localRoot, idOf(texts[1] ?? ''));
    const list = async (query: object) =>
      (await fleet.tokens.list(localRoot, { limit: 100, ...query }, all)).items.map(({ prefix }) => prefix);
    expect(await list({})).toEqual([service, ...texts.toReversed()].map(idOf));
    expect(await list({ state: 'used' })).toEqual([idOf(texts[0] ?? '')]);
    expect(await list({ state: 'revoked' })).toEqual([idOf(texts[1] ?? '')]);
    expect(await list({ state: 'live', kind: 'agent' })).toEqual([idOf(texts[2] ?? '')]);
    await fleet.clock.advance(30 * minute);
    expect(await list({ state: 'expired' })).toEqual([service, texts[2] ?? ''].map(idOf));
    const first = await fleet.tokens.list(localRoot, { limit: 2 }, all);
    const second = await fleet.tokens.list(localRoot, { limit: 2, cursor: first.nextCursor ?? '' }, all);
    expect([...first.items, ...second.items].map(({ prefix }) => prefix)).toEqual(
      [service, ...texts.toReversed()].map(idOf),
    );
    expect((await fleet.tokens.list(localRoot, { limit: 2 }, { ...all, none: true })).items).toEqual([]);
  });

  test('unknown ones are not found', async () => {
    await using fleet = await openFleet();
    for (const ref of ['lmj_00000000', 'nothing', ''])
      expect(await codeOf(fleet.tokens.get(localRoot, ref))).toBe('NOT_FOUND');
    expect(await codeOf(fleet.tokens.revoke(localRoot, 'lmj_00000000'))).toBe('NOT_FOUND');
  });
});

describe('tokens of a bastion (JT-8)', () => {
  const good = {
    macs: ['52:54:00:00:00:01'],
    hostname: 'worker-1',
    role: 'worker',
    ttlMs: 60 * minute,
    takeover: true,
  };
  const mint = (fleet: Fleet, more: object = {}) =>
    codeOf(fleet.tokens.create(bastion, createTokenSchema.parse({ ...good, ...more })));

  test('one-time, bound to MAC, host name and role, within the hour', async () => {
    await using fleet = await openFleet();
    expect(await mint(fleet)).toBe('none');
    const bad = [
      { type: 'reusable' },
      { kind: 'service' },
      { macs: [] },
      { hostname: null },
      { hostname: 'worker-*' },
      { role: null },
      { ttlMs: 60 * minute + 1 },
    ];
    for (const more of bad) expect(await mint(fleet, more)).toBe('VALIDATION_FAILED');
  });

  test('revoking stops joins to come, not machines that joined', async () => {
    await using fleet = await openFleet();
    const text = await newToken(fleet, { type: 'reusable' });
    const machine = await newMachine();
    const { answer } = await join(fleet, text, machine);
    await fleet.tokens.revoke(localRoot, idOf(text));
    await fleet.tokens.revoke(localRoot, idOf(text));
    expect(await codeOf(join(fleet, text, await newMachine()))).toBe('TOKEN_REVOKED');
    expect((await join(fleet, text, machine)).answer).toEqual(answer);
    expect(fleet.denials.check({ keyHash: machine.keyHash })).toBeUndefined();
  });
});
