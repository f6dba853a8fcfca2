/** The judge that the settings name (AR12), for one payer. */
import type { Clock } from '@labmesh/kit/clock';
import type { Priority } from '@labmesh/wire/verification/priority';
import type { Generate } from '../contract/generate.ts';
import type { Judge, ModelInstructions } from '../contract/judge.ts';
import { compositeJudge } from './composite-judge.ts';
import { deterministicJudge } from './deterministic-judge.ts';
import { instructionsSha256, usualInstructions } from './judge-prompt.ts';
import { llmJudge, type TokenPrice } from './llm-judge.ts';
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
  /** Of its calls; absent = low. */
  priority?: Priority;
  /** What a model's tokens cost (`arena.prices`); absent = nothing. */
  priceOf?: (model: string) => TokenPrice;
  /** Whether a model was found unfit to judge, told what has the digest `prompt`. */
  isUnfit?: (tenant: string, model: string, prompt: string) => boolean;
  /** Of models that are not told the usual (AR17); others may stand in it too. */
  instructions?: readonly ModelInstructions[];
};

export function judgeOf(
  settings: JudgeSettings,
  { isUnfit = () => false, instructions = [], priceOf, ...payer }: JudgePayer,
): Judge {
  const { kind, models } = settings;
  if (kind === 'verifiers' || models.length === 0) return deterministicJudge;
  const own = instructions.filter(({ model }) => models.includes(model));
  const toldOf = (model: string) => own.find((one) => one.model === model)?.text ?? usualInstructions;
  const members = models.map((model) =>
    llmJudge({ ...payer, model, instructions: toldOf(model), ...(priceOf && { price: priceOf(model) }) }),
  );
  const [only] = members;
  const judge = members.length === 1 && only !== undefined ? only : panelJudge(members);
  const unfit = models.filter((model) => isUnfit(payer.tenant, model, instructionsSha256(toldOf(model))));
  const whole = kind === 'composite' ? compositeJudge(judge) : judge;
  return { ...whole, ...(unfit.length > 0 && { unfit }), ...(own.length > 0 && { instructions: own }) };
}
