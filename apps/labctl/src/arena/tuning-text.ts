import type { JudgeTuningView } from '@labmesh/wire/verification/judge-views';
import { safeText } from '../terminal/safe-text.ts';

type Mean = { mean: number; low: number; high: number };
const meanText = ({ mean, low, high }: Mean) => `${mean.toFixed(3)} (${low.toFixed(3)} … ${high.toFixed(3)})`;

/** What the held-out part says of the gain: an interval around nothing is no gain. */
function gainText(difference: Mean): string {
  const verdict =
    difference.low > 0 ? 'better beyond chance' : difference.high < 0 ? 'worse beyond chance' : 'this may be chance';
  return `held out, the found ones less the present: ${meanText(difference)}: ${verdict}`;
}

/** For people: both instructions with their figures, what they rest on, and how to put the found ones in use. */
export function tuningText(tuning: JudgeTuningView): string {
  const { model, state, calls, train, heldOut, present, best, difference, reason } = tuning;
  const lines = [`${model}: ${state}`, `${train} gold comparisons to choose by, ${heldOut} held out, ${calls} calls`];
  if (present !== null) {
    lines.push(`present: ${meanText(present.train)} where it is chosen, ${meanText(present.heldOut)} held out`);
  }
  if (best !== null) {
    lines.push(`found: ${meanText(best.train)} where it is chosen, ${meanText(best.heldOut)} held out`);
    if (difference !== null) lines.push(gainText(difference));
    lines.push(best.instructions, `to use it: labctl arena judge approve ${model} ${best.prompt}`);
  }
  if (state === 'none') lines.push('none of the candidates did better than the present instructions');
  if (reason !== null) lines.push(`it came to no end: ${reason}`);
  return `${lines.map((line) => safeText(line)).join('\n')}\n`;
}
