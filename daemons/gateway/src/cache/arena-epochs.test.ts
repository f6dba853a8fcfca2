import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { HttpPool } from '@labmesh/kit/http/client';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import { ArenaClient } from '../arena/arena-client.ts';
import { FakeArena, sampleResult } from '../testing/fake-arena.ts';
import { ArenaEpochs, epochMs } from './arena-epochs.ts';
import { KeptResults } from './kept-results.ts';

const payer = { tenant: 't', key: 'k', requestId: 'r' };
const token = 'lmi_test';

async function rig() {
  await using stack = new AsyncDisposableStack();
  const arena = stack.use(new FakeArena());
  const pool = stack.use(new HttpPool());
  const clock = new FakeClock();
  const client = new ArenaClient({
    pool,
    origin: { host: 'arena', port: 80, tls: false, socketPath: arena.socketPath },
    prefix: '',
    token,
  });
  const changed: string[] = [];
  const epochs = new ArenaEpochs({ arena: client, clock, onChange: (tenant) => void changed.push(tenant) });
  const limits = { entriesMax: 10, bytesMax: 1_000_000, ttlMs: 3_600_000 };
  const kept = new KeptResults({ limits, arena: client, clock });
  const open = stack.move();
  return { arena, clock, client, epochs, changed, kept, limits, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

describe('the word of the arena', () => {
  test('is asked for at most once a second and tenant, however many want it', async () => {
    await using all = await rig();
    const { arena, clock, epochs } = all;
    expect(await Promise.all(Array.from({ length: 50 }, () => epochs.isKnown(payer)))).not.toContain(false);
    expect(arena.epochsAsked).toBe(1);
    await clock.advance(epochMs - 1);
    await epochs.isKnown(payer);
    expect(arena.epochsAsked).toBe(1);
    await epochs.isKnown({ ...payer, tenant: 'other' });
    await clock.advance(1);
    await epochs.isKnown(payer);
    expect(arena.epochsAsked).toBe(3);
  });

  test('another one is told of, for its tenant alone', async () => {
    await using all = await rig();
    const { arena, clock, epochs, changed } = all;
    await epochs.isKnown(payer);
    arena.epoch = 'epoch-2';
    await epochs.isKnown(payer);
    expect(changed).toEqual([]);
    await clock.advance(epochMs);
    expect(await epochs.isKnown(payer)).toBe(true);
    expect(changed).toEqual(['t']);
  });

  test('one that is asked for too long ago when it comes is none', async () => {
    await using all = await rig();
    const { clock, epochs } = all;
    const waiting = epochs.isKnown(payer);
    await clock.advance(epochMs);
    expect(await waiting).toBe(false);
    expect(await epochs.isKnown(payer)).toBe(true);
  });

  test.each([
    ['no route', undefined],
    ['too long a word', 'x'.repeat(129)],
    ['a flood', 'x'.repeat(5_000)],
  ])('%s: nobody knows, and it is asked again', async (_, epoch) => {
    await using all = await rig();
    const { arena, epochs } = all;
    arena.epoch = epoch;
    expect(await epochs.isKnown(payer)).toBe(false);
    arena.epoch = 'epoch-1';
    expect(await epochs.isKnown(payer)).toBe(true);
  });

  test('an arena that is away: nobody knows, and nothing is thrown', async () => {
    await using all = await rig();
    await all.arena[Symbol.asyncDispose]();
    expect(await all.epochs.isKnown(payer)).toBe(false);
  });
});

describe('what is kept', () => {
  const wanted = {
    owner: { tenant: 't', scopes: ['chat', 'verify'] },
    payer,
    request: { model: 'm', messages: [{ role: 'user', content: 'x' }] },
    block: verificationBlockSchema.parse({}),
    anew: false,
  };
  const find = async ({ kept }: { kept: KeptResults }, changes: Partial<typeof wanted> = {}) =>
    (await kept.find({ ...wanted, ...changes })).kept;

  test('is given until the word changes, and not what was being found meanwhile', async () => {
    await using all = await rig();
    const { arena, clock, kept } = all;
    (await kept.find(wanted)).keep(sampleResult());
    expect(await find(all)).toEqual(sampleResult());
    const late = await kept.find({ ...wanted, request: { ...wanted.request, model: 'n' } });
    arena.epoch = 'epoch-2';
    await clock.advance(epochMs);
    expect(await find(all)).toBeUndefined();
    late.keep(sampleResult());
    expect([kept.size, await find(all)]).toEqual([0, undefined]);
  });

  test('is not given while nobody knows, and is there when the word is the same again', async () => {
    await using all = await rig();
    const { arena, clock, kept } = all;
    (await kept.find(wanted)).keep(sampleResult());
    arena.epoch = undefined;
    await clock.advance(epochMs);
    const place = await kept.find(wanted);
    place.keep(sampleResult({ model: 'another' }));
    expect(place.kept).toBeUndefined();
    arena.epoch = 'epoch-1';
    expect(await find(all)).toEqual(sampleResult());
  });

  test('is nothing of answers that rest on tools', async () => {
    await using all = await rig();
    const asked = { ...wanted, block: { ...wanted.block, tools: ['docs/*'] } };
    (await all.kept.find(asked)).keep(sampleResult());
    expect([all.kept.size, await find(all, asked)]).toEqual([0, undefined]);
  });

  test('is forgotten on demand, of one tenant or of all, with what is being found; where none is kept nobody is asked', async () => {
    await using all = await rig();
    const { arena, kept, clock, client, limits } = all;
    const other = { owner: { ...wanted.owner, tenant: 'o' }, payer: { ...payer, tenant: 'o' } };
    const fill = async () => {
      (await kept.find(wanted)).keep(sampleResult());
      (await kept.find({ ...wanted, ...other })).keep(sampleResult());
    };
    await fill();
    expect([kept.forget('t'), await find(all), (await find(all, other)) === undefined]).toEqual([1, undefined, false]);
    await fill();
    const late = await kept.find({ ...wanted, request: { ...wanted.request, model: 'n' } });
    expect([kept.forget(), kept.size]).toEqual([2, 0]);
    late.keep(sampleResult());
    expect([kept.size, kept.forget('nobody')]).toEqual([0, 0]);
    const before = arena.epochsAsked;
    const none = new KeptResults({ limits: { ...limits, entriesMax: 0 }, arena: client, clock });
    (await none.find(wanted)).keep(sampleResult());
    await kept.find({ ...wanted, anew: true });
    expect([none.size, arena.epochsAsked]).toEqual([0, before]);
  });
});
