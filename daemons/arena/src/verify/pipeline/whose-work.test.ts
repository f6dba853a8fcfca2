import { describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import type { SandboxJobInput } from '@labmesh/wire/verification/sandbox';
import type { Finding } from '../../contract/verifier.ts';
import { answering } from '../testing/fake-runner.ts';
import { fakeVerifier } from '../testing/fake-verifier.ts';
import { openFake } from '../testing/open-fake.ts';
import { sampleCandidate } from '../testing/sample-candidate.ts';
import { createSlots } from './slots.ts';
import { runnerFor, turnOf } from './whose-work.ts';

const never = new AbortController().signal;
const passed: Finding = { status: 'passed', message: 'ok', details: {} };

describe('jobs', () => {
  test('of a run are its tenant’s, in a word without its name, whatever a verifier says; its class goes along', async () => {
    const { runner, sent } = answering(() => 1);
    const mine = runnerFor(runner, { tenant: 'acme', priority: 'high' });
    const job: SandboxJobInput = { argv: ['true'], group: 'another', priority: 'critical' };
    await mine.run(job, never);
    await runnerFor(runner, { tenant: 'acme', priority: 'normal' }).run({ argv: ['true'] }, never);
    await runnerFor(runner, { tenant: 'globex', priority: 'normal' }).run({ argv: ['true'] }, never);
    expect(sent.map(({ priority }) => priority)).toEqual(['high', 'normal', 'normal']);
    const groups = sent.map(({ group }) => group ?? '');
    expect([groups[0] === groups[1], groups[1] === groups[2]]).toEqual([true, false]);
    for (const group of groups) expect(group).toMatch(/^[0-9a-f]{32}$/);
    expect(await mine.levels()).toEqual([]);
  });

  test('of every verifier carry it', async () => {
    const { runner, sent } = answering(() => 1);
    const asking = fakeVerifier('asking', async (_, context) => {
      await context.runner.run({ argv: ['true'] }, context.signal);
      return passed;
    });
    const { verify, options } = openFake([asking], { runner });
    await verify([sampleCandidate('a')], { ...options, tenant: 'acme', priority: 'critical' });
    expect(sent).toMatchObject([{ group: expect.stringMatching(/^[0-9a-f]{32}$/), priority: 'critical' }]);
  });
});

describe('slots', () => {
  test('many checks of one tenant keep a check of another waiting for one of them', async () => {
    const slots = createSlots('verify.process', 1, systemClock);
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const check = (tenant: string) =>
      slots.use(turnOf({ tenant, priority: 'normal' }), never, async () => {
        await gate.promise;
        order.push(tenant);
      });
    const flood = Array.from({ length: 40 }, () => check('a'));
    const other = check('b');
    gate.resolve();
    await Promise.all([...flood, other]);
    expect(order.indexOf('b')).toBe(1);
  });

  test('a check that fails or leaves gives its slot on', async () => {
    const slots = createSlots('verify.process', 1, systemClock);
    const turn = turnOf({ tenant: 'a', priority: 'normal' });
    const leaving = new AbortController();
    const failing = slots.use(turn, never, () => Promise.reject(new Error('broken')));
    const left = slots.use(turn, leaving.signal, () => Promise.resolve());
    const ends = Promise.allSettled([failing, left]);
    leaving.abort(new Error('gone'));
    expect(await ends).toMatchObject([{ reason: new Error('broken') }, { reason: new Error('gone') }]);
    expect(await slots.use(turn, never, () => Promise.resolve('served'))).toBe('served');
  });
});
