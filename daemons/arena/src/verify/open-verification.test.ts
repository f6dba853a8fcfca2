import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { createLogger } from '@labmesh/kit/log';
import { type Verdict, verdictSchema } from '@labmesh/wire/verification/verdict';
import { answerText } from './candidate-text.ts';
import { UnknownVerifier } from './unknown-verifier.ts';
import { verifyDefaults } from './verify-settings.ts';
import { fakeVerifier, found } from './testing/fake-verifier.ts';
import { openFake } from './testing/open-fake.ts';
import { sampleCandidate } from './testing/sample-candidate.ts';
import { answeringRunner, sampleLevel } from './testing/sample-result.ts';

const one = [sampleCandidate('a')];
const codes = (results: readonly Verdict[] | undefined) =>
  results?.map(({ pluginName, status, code }) => [pluginName, status, code]);

describe('classes (V5)', () => {
  test('run in order, inside a class side by side', async () => {
    const order: string[] = [];
    const step = (name: string, kind: 0 | 1 | 2 | 3) =>
      fakeVerifier(
        name,
        async () => {
          order.push(`${name}+`);
          await Bun.sleep(5);
          order.push(`${name}-`);
          return found('passed');
        },
        { class: kind },
      );
    const { verify, options } = openFake([step('d', 3), step('b', 1), step('a', 0), step('a2', 0), step('c', 2)]);
    const [result] = await verify(one, options);
    expect(order).toEqual(['a+', 'a2+', 'a-', 'a2-', 'b+', 'b-', 'c+', 'c-', 'd+', 'd-']);
    expect(result?.results.map(({ pluginName }) => pluginName)).toEqual(['a', 'a2', 'b', 'c', 'd']);
    expect(result?.outcome).toBe('valid');
  });

  test('a hard fail skips the higher classes of that candidate only; a soft one and an error skip nothing', async () => {
    const status = { bad: 'failed', soft: 'passed', err: 'error', good: 'passed' } as const;
    const first = fakeVerifier('first', ({ answer }) => found(status[answer.content as keyof typeof status]));
    const soft = fakeVerifier('soft', ({ answer }) => found(answer.content === 'soft' ? 'failed' : 'passed'), {
      hard: false,
    });
    const later = fakeVerifier('later', undefined, { class: 3 });
    const { verify, options } = openFake([first, soft, later]);
    const results = await verify(
      ['bad', 'soft', 'err', 'good'].map((text) => sampleCandidate(text)),
      options,
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['invalid', 'valid', 'inconclusive', 'valid']);
    expect(codes(results[0]?.results)).toEqual([
      ['first', 'failed', null],
      ['soft', 'passed', null],
      ['later', 'skipped', 'AFTER_HARD_FAILURE'],
    ]);
    expect(results.slice(1).map(({ results: all }) => all.at(-1)?.status)).toEqual(['passed', 'passed', 'passed']);
    expect(results[0]?.allPassed).toBe(false);
  });

  test('settings make a hard verifier soft: its failure skips nothing and is not invalid', async () => {
    const settings = { ...verifyDefaults, verifiers: { first: { hard: false } } };
    const failing = fakeVerifier('first', () => found('failed'));
    const { verify, options } = openFake([failing, fakeVerifier('later', undefined, { class: 1 })], { settings });
    const [result] = await verify(one, options);
    expect(result).toMatchObject({ outcome: 'valid', combinedScoreModifier: 0.5 });
  });
});

describe('how many at once', () => {
  const counting = () => {
    const state = { now: 0, most: 0 };
    const verifier = fakeVerifier('slow', async () => {
      state.most = Math.max(state.most, ++state.now);
      await Bun.sleep(3);
      state.now--;
      return found('passed');
    });
    return { state, verifier };
  };
  const texts = (run: number, count: number) =>
    Array.from({ length: count }, (_, index) => sampleCandidate(`${run}.${index}`));

  test('4 in a run, 16 in a process', async () => {
    const { state, verifier } = counting();
    const { verify, options } = openFake([verifier]);
    await verify(texts(0, 12), options);
    expect(state.most).toBe(4);
    await Promise.all(Array.from({ length: 8 }, (_, run) => verify(texts(run + 1, 8), options)));
    expect(state.most).toBe(16);
    expect(state.now).toBe(0);
  });
  test('answers of a run that come one by one share its 4', async () => {
    const { state, verifier } = counting();
    const { verify, options } = openFake([verifier]);
    const run = {};
    await Promise.all(texts(0, 12).map((one) => verify([one], { ...options, run })));
    expect(state.most).toBe(4);
    await Promise.all(texts(1, 12).map((one) => verify([one], options)));
    expect(state.most).toBe(12);
  });
});

describe('equal candidates and the cache', () => {
  const counted = () => {
    const seen: string[] = [];
    const verifier = fakeVerifier('v', (candidate, { suite }) => {
      seen.push(`${answerText(candidate)}${suite?.id ?? ''}`);
      return found(
        candidate.answer.content === 'bad' ? 'failed' : candidate.answer.content === 'err' ? 'error' : 'passed',
      );
    });
    return { seen, ...openFake([verifier]) };
  };

  test('are looked at once and told under every index', async () => {
    const { seen, verify, options } = counted();
    const told: number[] = [];
    const candidates = ['a', 'b', 'a', 'a'].map((text) => sampleCandidate(text));
    const results = await verify(candidates, { ...options, onVerdict: (index) => told.push(index) });
    expect(seen).toEqual(['a', 'b']);
    expect(results).toHaveLength(4);
    expect(new Set(told)).toEqual(new Set([0, 1, 2, 3]));
  });
  test('but not when the caller said something else for verifiers', async () => {
    const { seen, verify, options } = counted();
    await verify(
      [sampleCandidate('a'), sampleCandidate('a', { expectedSchema: {} }), sampleCandidate('a', { tools: [] })],
      options,
    );
    expect(seen).toHaveLength(3);
  });
  test('a verdict is known for 600 s, to its tenant and suite; errors are not kept', async () => {
    const { seen, verify, options, clock } = counted();
    const suite = (id: string) => ({
      id,
      language: 'python' as const,
      entry: 'f',
      cases: [],
      compare: { kind: 'exact' as const, tolerance: 0 },
    });
    const times = async (more = {}) => {
      const before = seen.length;
      await verify(one, { ...options, ...more });
      return seen.length - before;
    };
    expect(await times()).toBe(1);
    expect(await times()).toBe(0);
    expect(await times({ tenant: 'other' })).toBe(1);
    expect(await times({ suite: suite('s') })).toBe(1);
    expect(await times({ suite: suite('s') })).toBe(0);
    await clock.advance(600_000);
    expect(await times()).toBe(1);
    const before = seen.length;
    await verify([sampleCandidate('bad')], options);
    await verify([sampleCandidate('bad')], options);
    expect(seen.length - before).toBe(1);
    await verify([sampleCandidate('err')], options);
    await verify([sampleCandidate('err')], options);
    expect(seen.length - before).toBe(5);
  });
  test('a candidate that cannot be hashed is looked at each time', async () => {
    const { seen, verify, options } = counted();
    const odd = { ...sampleCandidate('a'), metadata: { odd: 1n } };
    await verify([odd, odd], options);
    expect(seen).toHaveLength(2);
  });
});

describe('errors (V4, V6)', () => {
  test('are tried once more; what the second try says counts', async () => {
    let tries = 0;
    const shaky = fakeVerifier('shaky', () => found(++tries === 1 ? 'error' : 'passed'));
    const { verify, options } = openFake([shaky]);
    expect((await verify(one, options))[0]?.outcome).toBe('valid');
    expect(tries).toBe(2);
  });
  test('a crash is an error under the right name, also after skips; its words are read by nobody', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
    const crash = fakeVerifier('crash', () => {
      throw new Error('secret words of the answer');
    });
    const { verify, options } = openFake([fakeVerifier('skips', () => found('skipped')), crash, fakeVerifier('good')], {
      log,
    });
    const [result] = await verify(one, options);
    expect(codes(result?.results)).toEqual([
      ['skips', 'skipped', null],
      ['crash', 'error', 'VERIFIER_CRASHED'],
      ['good', 'passed', null],
    ]);
    expect(result?.outcome).toBe('inconclusive');
    expect(lines.join('')).toContain('"verifier":"crash"');
    expect(JSON.stringify([result, lines])).not.toContain('secret words');
  });
  test('a code that an error carries is the verdict’s', async () => {
    const away = fakeVerifier('away', () => Promise.reject(Object.assign(new Error('x'), { code: 'EXECUTOR_AWAY' })));
    const { verify, options } = openFake([away]);
    expect((await verify(one, options))[0]?.results[0]).toMatchObject({ status: 'error', code: 'EXECUTOR_AWAY' });
  });
  test('a score that is no number is a crash, others are held to 0-1', async () => {
    const scores = { nan: Number.NaN, big: 7, small: -1 };
    const scored = fakeVerifier('v', ({ answer }) =>
      found('passed', { scoreModifier: scores[answer.content as keyof typeof scores] }),
    );
    const { verify, options } = openFake([scored]);
    const results = await verify(
      Object.keys(scores).map((text) => sampleCandidate(text)),
      options,
    );
    expect(results.map(({ results: [verdict] }) => [verdict?.status, verdict?.scoreModifier])).toEqual([
      ['error', 1],
      ['passed', 1],
      ['passed', 0],
    ]);
  });
});

describe('limits (V7)', () => {
  test.each([
    ['ANSWER_TOO_LONG', 'a'.repeat(100_001)],
    ['TOO_MANY_BLOCKS', '```\n```\n'.repeat(65)],
    ['NESTED_TOO_DEEP', `${'>'.repeat(65)} a`],
  ])('%s: failed by whoever looks first, and nothing runs', async (code, text) => {
    let ran = 0;
    const { verify, options } = openFake([
      fakeVerifier('v', () => {
        ran++;
        return found('passed');
      }),
      fakeVerifier('w', undefined, { class: 1 }),
    ]);
    const [result] = await verify([sampleCandidate(text)], options);
    expect(codes(result?.results)).toEqual([
      ['v', 'failed', code],
      ['w', 'skipped', 'AFTER_HARD_FAILURE'],
    ]);
    expect(ran).toBe(0);
  });
  test('verdicts are bounded and fit to be signed, whatever a verifier says', async () => {
    const huge = { text: 'x'.repeat(100_000) };
    const odd = { '\ud800': '\udfff', __proto__: null, deep: JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown };
    for (const details of [huge, odd, { big: 1n }]) {
      const { verify, options } = openFake([
        fakeVerifier('v', () => found('failed', { message: '\ud800'.repeat(5000), details })),
      ]);
      const verdict = verdictSchema.parse((await verify(one, options))[0]?.results[0]);
      expect(verdict.details).toEqual({ truncated: true });
      expect(verdict.message).toBe('\ufffd'.repeat(2000));
    }
    const { verify, options } = openFake([
      fakeVerifier('v', () => found('passed', { details: { a: '\ud800', b: undefined } })),
    ]);
    expect((await verify(one, options))[0]?.results[0]?.details).toEqual({ a: '\ufffd' });
  });
});

describe('the caller', () => {
  test('goes away: the run ends at once with its reason, whoever does not listen', async () => {
    const controller = new AbortController();
    const deaf = fakeVerifier('deaf', () => Promise.withResolvers<never>().promise);
    const { verify } = openFake([deaf]);
    const run = verify(one, { tenant: 't', signal: controller.signal });
    await Bun.sleep(1);
    controller.abort(new Error('gone'));
    expect(await thrower(run)).toThrow('gone');
    expect(await thrower(verify(one, { tenant: 't', signal: controller.signal }))).toThrow('gone');
  });
  test('throws while it is told: the run ends with that, and the rest is cancelled', async () => {
    let ended = false;
    const slow = fakeVerifier('slow', (_candidate, { signal }) => {
      const { promise, resolve } = Promise.withResolvers<ReturnType<typeof found>>();
      signal.addEventListener('abort', () => {
        ended = true;
        resolve(found('error'));
      });
      return promise;
    });
    const { verify, options } = openFake([fakeVerifier('quick'), slow]);
    const onVerdict = () => {
      throw new Error('no row');
    };
    expect(await thrower(verify(one, { ...options, onVerdict }))).toThrow('no row');
    expect(ended).toBe(true);
  });
  test('names verifiers, also those that are off; a name that is none is refused with the nearest', async () => {
    const settings = { ...verifyDefaults, verifiers: { off: { enabled: false } } };
    const { verify, options, checkNames } = openFake([fakeVerifier('on'), fakeVerifier('off')], { settings });
    const names = async (more = {}) =>
      (await verify(one, { ...options, ...more }))[0]?.results.map(({ pluginName }) => pluginName);
    expect(await names()).toEqual(['on']);
    expect(await names({ names: ['off'] })).toEqual(['off']);
    expect(() => checkNames(['offf'])).toThrow('there is no verifier "offf"; did you mean off?');
    expect(() => checkNames(['__proto__'])).toThrow(UnknownVerifier);
    expect(await thrower(verify(one, { ...options, names: ['zzzzzz'] }))).toThrow('; there are on, off');
  });
});

describe('batches', () => {
  const batch = (findings: (texts: string[]) => ReturnType<typeof found>[]) => {
    const calls: string[][] = [];
    const verifier = fakeVerifier('batch', undefined, {
      verifyBatch: async (candidates) => {
        const texts = candidates.map(answerText);
        calls.push(texts);
        return findings(texts);
      },
    });
    return { calls, ...openFake([verifier, fakeVerifier('later', undefined, { class: 1 })]) };
  };
  const three = ['a', 'b', 'a', 'c'].map((text) => sampleCandidate(text));
  test('all candidates in one, only errors again, what is known not again', async () => {
    const { calls, verify, options } = batch((texts) => texts.map((text) => found(text === 'b' ? 'error' : 'passed')));
    const results = await verify(three, options);
    expect(calls).toEqual([['a', 'b', 'c'], ['b']]);
    expect(results.map(({ outcome }) => outcome)).toEqual(['valid', 'inconclusive', 'valid', 'valid']);
    await verify(three, options);
    expect(calls.slice(2)).toEqual([['b'], ['b']]);
  });
  test('another number of findings is a crash of all', async () => {
    const { verify, options } = batch(() => [found('passed')]);
    const results = await verify(three, options);
    expect(results.map(({ results: [verdict] }) => verdict?.status)).toEqual(['error', 'error', 'error', 'error']);
  });
});

test('digests name the configuration; settings that do not fit are refused', async () => {
  const digestWith = async (limit: number) => {
    const settings = { ...verifyDefaults, verifiers: { v: { config: { limit } } } };
    return (await openFake([fakeVerifier('v')], { settings }).describe())[0]?.digest;
  };
  expect(await digestWith(1)).toMatch(/^[0-9a-f]{64}$/);
  expect(await Promise.all([digestWith(1), digestWith(2)]).then(([a, b]) => a === b)).toBe(false);
  const bad = (verifiers: Record<string, { config?: unknown }>) => () =>
    openFake([fakeVerifier('v')], { settings: { ...verifyDefaults, verifiers } });
  expect(bad({ w: {} })).toThrow('there is no verifier "w"');
  expect(bad({ v: { config: { limit: 'x' } } })).toThrow('verify.v.config.limit:');
  expect(bad({ v: { config: { limt: 1 } } })).toThrow('limt');
  expect(() => openFake([fakeVerifier('v'), fakeVerifier('v')])).toThrow('two verifiers are called v');
});

describe('what /verifiers shows', () => {
  const levelled = fakeVerifier('levelled', () => found('error', { code: 'TOOL_MISSING' }), {
    minLevel: 'SANDBOX_L1_NAMESPACE',
  });
  test('offline with the reason when the level is missing, degraded after an error', async () => {
    const reason = 'user namespaces are blocked';
    const levels = [sampleLevel({}), sampleLevel({ level: 'SANDBOX_L1_NAMESPACE', ready: false, reason })];
    const without = openFake([levelled], { runner: { ...answeringRunner({}), levels: async () => levels } });
    expect((await without.describe())[0]).toMatchObject({
      status: 'offline',
      reason,
      checks: 0,
      p50Ms: null,
      lastCheck: null,
    });
    const higher = [sampleLevel({ level: 'SANDBOX_L2_USERKERNEL' })];
    const {
      verify,
      options,
      describe: views,
    } = openFake([levelled], { runner: { ...answeringRunner({}), levels: async () => higher } });
    expect((await views())[0]).toMatchObject({ status: 'online', reason: null });
    await verify(one, options);
    expect((await views())[0]).toMatchObject({
      status: 'degraded',
      reason: 'the last check gave TOOL_MISSING',
      checks: 1,
      p95Ms: 0,
    });
  });
  test('what a verifier runs in, with its interpreters, and how often its word was known', async () => {
    const tools = { python: '3.13.5' };
    const l1 = sampleLevel({ level: 'SANDBOX_L1_NAMESPACE', backend: 'bubblewrap', version: '0.11', tools });
    const runner = { ...answeringRunner({}), levels: async () => [sampleLevel({}), l1] };
    const opened = openFake([fakeVerifier('text'), levelled], { runner });
    await opened.verify(one, opened.options);
    await opened.verify(one, opened.options);
    expect(await opened.describe()).toMatchObject([
      { name: 'text', type: 'text', engine: 'in-process', tools: {}, cacheHitRate: 0.5 },
      { name: 'levelled', engine: 'bubblewrap 0.11', tools, cacheHitRate: 0 },
    ]);
    const without = await openFake([levelled], { runner: answeringRunner({}) }).describe();
    expect(without).toMatchObject([{ engine: null, tools: {}, cacheHitRate: null }]);
  });
  test('an executor that is away makes offline what needs it, and nothing else', async () => {
    const runner = { ...answeringRunner({}), levels: () => Promise.reject(new Error('away')) };
    const views = await openFake([levelled, fakeVerifier('text')], { runner }).describe();
    expect(views.map(({ status }) => status)).toEqual(['offline', 'online']);
  });
});
