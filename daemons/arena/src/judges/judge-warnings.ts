import type { Judge } from '../contract/judge.ts';
import type { PositionBias } from './position-bias.ts';

/** Names of one model differ by provider prefix, case and quantisation tag. */
const plainName = (model: string) => {
  const name = model.toLowerCase();
  return name.slice(name.lastIndexOf('/') + 1).split(':')[0] ?? name;
};

/** Why what this judge says of these candidates is to be taken with care; none for most. */
export function judgeWarnings(
  judge: Pick<Judge, 'name' | 'models' | 'unfit'>,
  candidateModels: readonly string[],
  bias?: PositionBias,
): string[] {
  const own = new Set(candidateModels.map(plainName));
  const shared = [...new Set(judge.models)].filter((model) => own.has(plainName(model)));
  const warnings = shared.map((model) => `${judge.name} judges answers of its own model ${model}`);
  for (const model of judge.unfit ?? []) warnings.push(`${judge.name}: ${model} is unfit, answers can talk it over`);
  if (bias?.state === 'biased' && bias.rate !== null) {
    warnings.push(`${judge.name} is biased: what it sees first wins ${Math.round(100 * bias.rate)} % of the time`);
  }
  return warnings;
}
