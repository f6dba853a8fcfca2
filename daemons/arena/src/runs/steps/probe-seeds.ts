/** Puts into a run's plan whether its engines honour seeds (AR2), before the plan is recorded. */
import type { RunPlan } from '../../rows/run-plan.ts';
import { costNano } from '../budget.ts';
import type { LiveRun } from '../live-run.ts';
import { isGiven } from '../plan-run.ts';

/** Any `false` decides; all have to be `true`. */
export function replayableOf(found: readonly (boolean | null)[]): boolean | null {
  if (found.includes(false)) return false;
  return found.length > 0 && found.every((one) => one === true) ? true : null;
}

/**
 * @returns the plan with `replayable` for each variation and for the run, and what finding out cost. A request with a
 * budget pays for answers alone: it is told what was known.
 */
export async function probeSeeds(live: LiveRun, plan: RunPlan): Promise<RunPlan> {
  const { parts, offer } = live;
  const { tenant, key } = live.row;
  const { seedProbes: probes, settings } = parts;
  if (probes === undefined || isGiven(offer)) return plan;
  const mayPay = offer.block.budget === undefined && offer.block.max_cost_usd === undefined;
  const cost = { tokensIn: 0, tokensOut: 0, costNano: 0 };
  const found = new Map<string, boolean | null>();
  // The client's own answer leads a shadow run: its sampling was none of ours.
  const own = plan.samplings.slice(offer.answer === undefined ? 0 : 1);
  for (const { model } of own) {
    if (found.has(model)) continue;
    if (!mayPay || live.signal.aborted) {
      found.set(model, probes.known({ tenant, model }) ?? null);
      continue;
    }
    const { replayable, tokensIn, tokensOut } = await probes.find({ tenant, key, model, signal: live.signal });
    found.set(model, replayable);
    cost.tokensIn += tokensIn;
    cost.tokensOut += tokensOut;
    cost.costNano += costNano(settings.prices, model, tokensIn, tokensOut);
  }
  const samplings = plan.samplings.map((one) =>
    own.includes(one) ? { ...one, replayable: found.get(one.model) ?? null } : one,
  );
  return { ...plan, samplings, replayable: replayableOf([...found.values()]), seedProbe: cost };
}
