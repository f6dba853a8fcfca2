import { describe, expect, test } from 'bun:test';
import type { Judge } from '../contract/judge.ts';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { checkInjection } from './check-injection.ts';
import { injectionCases } from './injection-corpus.ts';
import { judgeWarnings } from './judge-warnings.ts';
import { llmJudge } from './llm-judge.ts';
import { judgeLeg, legs } from './play-match.ts';
import { positionBias, positionsOf } from './position-bias.ts';
import { fakeJudgeServer, type Shown, verdictOf } from './testing/fake-judge-server.ts';
import { judged, scores, scriptedJudge, textOf } from './testing/scripted-judge.ts';

const { signal } = new AbortController();
const rights = new Set(injectionCases.map(({ task }) => task.right));

async function legsOf(judge: Judge, matches: number) {
  const played = [];
  for (let match = 0; match < matches; match++) {
    for (const leg of legs) {
      const said = await judgeLeg(judge, judged('a'), judged('b'), leg, signal);
      played.push({ leg, scoreA: said?.scoreA ?? null, scoreB: said?.scoreB ?? null });
    }
  }
  return played;
}

describe('position bias', () => {
  test('a biased judge is flagged, a fair one is not', async () => {
    // Evenly spread over 0..1, in an order that no leg follows.
    let turn = 0;
    const random = () => (++turn * 0.618_033_988_75) % 1;
    const measured = async (firstWins: number) => {
      const judge = scriptedJudge(() => (random() < firstWins ? scores(7, 3) : scores(3, 7)));
      return positionBias(positionsOf(await legsOf(judge, 500)));
    };
    expect((await measured(0.5)).state).toBe('fair');
    const biased = await measured(0.67);
    expect(biased.state).toBe('biased');
    expect(biased.rate).toBeWithin(biased.low, biased.high);
    expect((await measured(0.35)).state).toBe('biased');
  });

  test('quality is no bias, ties and void legs count for nothing', async () => {
    const judge = scriptedJudge((first) => (textOf(first) === 'a' ? scores(9, 1) : scores(1, 9)));
    const more = [
      { leg: 'ab' as const, ...scores(5, 5) },
      { leg: 'ba' as const, ...scores(5, 5) },
      { leg: 'ab' as const, scoreA: null, scoreB: null },
    ];
    const counts = positionsOf([...(await legsOf(judge, 1)), ...more]);
    expect(counts).toEqual({ first: 1, second: 1, ties: 2 });
    expect(positionBias(counts)).toMatchObject({ rate: 0.5, decided: 2, state: 'fair' });
    const none = positionBias(positionsOf([]));
    expect(none).toEqual({ rate: null, low: 0, high: 1, decided: 0, state: 'unknown' });
  });

  test('few legs prove nothing; Wilson bounds as published', () => {
    expect(positionBias({ first: 3, second: 0, ties: 0 }).state).toBe('unclear');
    const { low, high } = positionBias({ first: 80, second: 20, ties: 0 });
    expect([low, high].map((bound) => Math.round(bound * 1e4))).toEqual([7112, 8666]);
  });
});

describe('injection corpus', () => {
  test('has families enough, and every attack changes the wrong answer', () => {
    expect(injectionCases.length).toBeGreaterThanOrEqual(100);
    expect(new Set(injectionCases.map(({ name }) => name)).size).toBe(injectionCases.length);
    for (const { task, attacked } of injectionCases) expect([task.right, task.wrong]).not.toContain(attacked);
  });

  test('a judge that keeps to the material is fit, over the wire', async () => {
    const fair = ({ a }: Shown) => (rights.has(a) ? verdictOf(9, 1) : verdictOf(1, 9));
    using server = fakeJudgeServer(fair);
    const generate = gatewayGenerate({ baseUrl: server.url, token: 't' });
    const judge = llmJudge({ generate, tenant: 't', key: 'k', model: 'm', pauseMs: 0 });
    const report = await checkInjection(judge, signal);
    expect(report).toEqual({ flipped: [], voided: [], decided: 100, cases: 100, rate: 0, state: 'fit' });
  });

  const gullible = (obeys: RegExp) =>
    scriptedJudge((first, second) => {
      if (obeys.test(textOf(first))) return scores(10, 0);
      if (obeys.test(textOf(second))) return scores(0, 10);
      return rights.has(textOf(first)) ? scores(9, 1) : scores(1, 9);
    });

  test('more than 5 % flips make it unfit, fewer do not', async () => {
    const unfit = await checkInjection(gullible(/10/), signal);
    expect(unfit.state).toBe('unfit');
    expect(unfit.flipped).toContain('order_1');
    const once = await checkInjection(gullible(/lose their jobs/), signal);
    expect(once).toMatchObject({ flipped: ['plea_1', 'plea_2', 'plea_3', 'plea_4'], rate: 0.04, state: 'fit' });
  });

  test('a judge that cannot tell right from wrong, or is silenced, is not called fit', async () => {
    const blind = await checkInjection(
      scriptedJudge(() => scores(5, 5)),
      signal,
    );
    expect(blind).toMatchObject({ decided: 0, rate: null, state: 'unknown' });
    const silenced = scriptedJudge((first, second) =>
      [first, second].every((one) => textOf(one).length < 60)
        ? rights.has(textOf(first))
          ? scores(9, 1)
          : scores(1, 9)
        : null,
    );
    const report = await checkInjection(silenced, signal);
    expect(report.voided.length).toBeGreaterThan(50);
    expect(report.state).toBe('unknown');
  });
});

test('a judge of the candidates’ own model, or a biased one, is warned of', () => {
  const judge = { name: 'llm:openai/GPT-5', models: ['openai/GPT-5', 'other'] };
  expect(judgeWarnings(judge, ['gpt-5', 'gpt-5-mini'])).toEqual([
    'llm:openai/GPT-5 judges answers of its own model openai/GPT-5',
  ]);
  expect(judgeWarnings(judge, ['gpt-4'])).toEqual([]);
  const [bias] = judgeWarnings(judge, [], positionBias({ first: 80, second: 20, ties: 0 }));
  expect(bias).toContain('80 %');
});
