import { z } from 'zod';
import type { Judge } from '../contract/judge.ts';
import { compositeJudge } from './composite-judge.ts';
import { deterministicJudge } from './deterministic-judge.ts';
import { llmJudge, type LlmJudgeOptions } from './llm-judge.ts';
import { panelJudge } from './panel-judge.ts';

/** Which judge an operator wants: no model is the verifiers' score, several are a panel. */
export const judgeSettingsSchema = z.strictObject({
  models: z.array(z.string().min(1).max(256)).max(9).default([]),
  /** Verifiers before models: a failed answer gets -10 and costs no call. */
  composite: z.boolean().default(true),
  instructions: z.string().min(1).max(16_384).optional(),
  json_mode: z.boolean().default(true),
});
export type JudgeSettings = z.infer<typeof judgeSettingsSchema>;

type Means = Pick<LlmJudgeOptions, 'generate' | 'tenant' | 'key' | 'price' | 'secret' | 'clock' | 'pauseMs'>;

/** The judge of one run; `means` names who pays. */
export function openJudge(settings: JudgeSettings, means: Means): Judge {
  const { models, composite, instructions, json_mode: jsonMode } = settings;
  const told = instructions === undefined ? {} : { instructions };
  const members = models.map((model) => llmJudge({ ...means, ...told, model, jsonMode }));
  const [only, ...others] = members;
  if (only === undefined) return deterministicJudge;
  const judge = others.length === 0 ? only : panelJudge(members);
  return composite ? compositeJudge(judge) : judge;
}
