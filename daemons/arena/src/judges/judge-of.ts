/** The judge that the settings name (AR12), for one payer. */
import type { Clock } from '@labmesh/kit/clock';
import type { Generate } from '../contract/generate.ts';
import type { Judge } from '../contract/judge.ts';
import { compositeJudge } from './composite-judge.ts';
import { deterministicJudge } from './deterministic-judge.ts';
import { llmJudge } from './llm-judge.ts';
import { panelJudge } from './panel-judge.ts';

export type JudgeSettings = {
  /** `verifiers`: their scores decide; `llm`: a model, or several as a panel; `composite`: a model beside their scores. */
  kind: 'verifiers' | 'llm' | 'composite';
  /** Models that the gateway serves. */
  models: readonly string[];
};

export type JudgePayer = {
  generate: Generate;
  clock: Clock;
  tenant: string;
  key: string;
  /** Whether a model was found unfit to judge. */
  isUnfit?: (tenant: string, model: string) => boolean;
};

export function judgeOf({ kind, models }: JudgeSettings, { isUnfit = () => false, ...payer }: JudgePayer): Judge {
  if (kind === 'verifiers' || models.length === 0) return deterministicJudge;
  const members = models.map((model) => llmJudge({ ...payer, model }));
  const [only] = members;
  const judge = members.length === 1 && only !== undefined ? only : panelJudge(members);
  const unfit = models.filter((model) => isUnfit(payer.tenant, model));
  const whole = kind === 'composite' ? compositeJudge(judge) : judge;
  return unfit.length === 0 ? whole : { ...whole, unfit };
}
