/** How models are asked, and what is known of those that judge. */
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { ArenaSettings } from './arena-settings.ts';
import { gatewayGenerate } from './generate/gateway-generate.ts';
import { JudgeChecks } from './judges/judge-checks.ts';
import { judgeOf } from './judges/judge-of.ts';
import { JudgeTunings } from './judges/tune/judge-tunings.ts';
import { usdOf } from './runs/budget.ts';
import type { RunParts } from './runs/run-parts.ts';

type ArenaJudgesParts = {
  dataDir: string;
  /** Shared with the gateway. */
  token: string;
  /** Of the gateway, without `/v1`. */
  gatewayUrl: string;
  /** PEM; absent = the authorities of the system. */
  gatewayCa?: string;
  store: Store;
  settings: Pick<ArenaSettings, 'judge' | 'runs'>;
  clock: Clock;
  log: Logger;
};

export type ArenaJudges = Pick<RunParts, 'generate' | 'judge'> & {
  known: { judgeChecks: JudgeChecks; judgeTunings: JudgeTunings };
};

/** What runs in it ends with `stack`. */
export function openArenaJudges(parts: ArenaJudgesParts, stack: AsyncDisposableStack): ArenaJudges {
  const { dataDir, token, gatewayUrl, gatewayCa, store, settings, clock, log } = parts;
  const generate = gatewayGenerate({
    baseUrl: gatewayUrl,
    token,
    tlsCa: gatewayCa,
    routing: settings.runs.shadow.routing,
  });
  const priceOf = (model: string) => usdOf(settings.runs.prices, model);
  const judgeWith = (payer: { tenant: string; key: string }, model: string, text?: string) => {
    const instructions = text === undefined ? [] : [{ model, text }];
    return judgeOf({ kind: 'llm', models: [model] }, { generate, clock, priceOf, instructions, ...payer });
  };
  const file = join(dataDir, 'arena', 'judges.json');
  const judgeChecks = stack.use(new JudgeChecks({ file, clock, log, judge: judgeWith }));
  const judgeTunings = stack.use(new JudgeTunings({ store, clock, log, judge: judgeWith }));
  const isUnfit = (tenant: string, model: string, prompt: string) => judgeChecks.isUnfit(tenant, model, prompt);
  return {
    generate,
    judge: async ({ instructions, ...payer }) => {
      // Without a model nothing is told to any.
      const asks = settings.judge.kind !== 'verifiers';
      const told = instructions ?? (asks ? await judgeTunings.instructions(payer.tenant) : []);
      return judgeOf(settings.judge, { generate, clock, isUnfit, priceOf, ...payer, instructions: told });
    },
    known: { judgeChecks, judgeTunings },
  };
}
