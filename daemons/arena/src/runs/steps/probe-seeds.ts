/** Notes beside a run's answers whether the engines that gave them honour seeds (AR2): last, and without keeping its result waiting. */
import { isOwnEngine } from '@labmesh/wire/verification/arena-run';
import { putCandidate, type StoredCandidate } from '../../rows/candidate-rows.ts';
import { costNano } from '../budget.ts';
import type { LiveRun } from '../live-run.ts';
import { isGiven } from '../plan-run.ts';

/** More than finding out takes: an answer that is there is not late for it. */
const timeLeastMs = 15_000;

/** An engine of which nothing is known has so long, all of a run together; what it says later the next runs are told. */
const waitMs = 250;

/** Any `false` decides; all have to be `true`. */
export function replayableOf(found: readonly (boolean | null)[]): boolean | null {
  if (found.includes(false)) return false;
  return found.length > 0 && found.every((one) => one === true) ? true : null;
}

type Cost = { tokensIn: number; tokensOut: number; costNano: number };

/**
 * What is known of an engine, or is found out. Unasked, only engines on machines of the operator's are looked at; a request
 * with a budget pays for answers alone, and one that is almost over has no time for it. What is spent after `late` is in
 * the gateway's own books alone.
 */
async function findOf(
  live: LiveRun,
  { sampling, toolCalls }: StoredCandidate,
  { cost, late }: { cost: Cost; late: Promise<undefined> },
): Promise<boolean | null> {
  const { seedProbes: probes, settings, clock } = live.parts;
  const engine = live.engines.get(sampling);
  // What tools say may be another tomorrow, whatever the engine does.
  if (probes === undefined || engine === undefined || (toolCalls ?? []).length > 0) return null;
  const { budget, max_cost_usd: costMost } = live.offer.block;
  const mayAsk = isOwnEngine(engine) || settings.shadow.seedProbe;
  const mayPay = budget === undefined && costMost === undefined;
  const hasTime = !live.signal.aborted && live.row.deadlineAt - clock.wall() >= timeLeastMs;
  const known = await probes.known(engine);
  if (known !== undefined || !mayAsk || !mayPay || !hasTime) return known ?? null;
  const { tenant, key } = live.row;
  const { model } = sampling;
  const asked = probes.find({ tenant, key, model, engine });
  // Nobody may be there any more when it fails.
  asked.catch(() => {});
  const found = await Promise.race([asked, late]);
  if (found === undefined) return null;
  const { replayable, tokensIn, tokensOut } = found;
  cost.tokensIn += tokensIn;
  cost.tokensOut += tokensOut;
  cost.costNano += costNano(settings.prices, model, tokensIn, tokensOut);
  return replayable;
}

/** The client's own answer leads a shadow run: its sampling was none of ours. */
const isOurs = ({ offer }: LiveRun, { idx, state }: StoredCandidate): boolean =>
  state === 'generated' && (idx > 0 || offer.answer === undefined);

/**
 * `replayable` for each answer and for the run, and what finding out cost, in one transaction. After a crash
 * nothing that was noted is asked again; of answers of before it nobody knows the engine.
 */
export async function probeSeeds(live: LiveRun): Promise<void> {
  if (live.parts.seedProbes === undefined || isGiven(live.offer)) return;
  const open = live.originals.filter((one) => isOurs(live, one) && one.sampling.replayable === undefined);
  if (open.length === 0) return;
  const cost = { tokensIn: 0, tokensOut: 0, costNano: 0, ...live.plan.seedProbe };
  const noted: StoredCandidate[] = [];
  const done = new AbortController();
  const over = (): undefined => {};
  const late = live.parts.clock
    .sleep(live.parts.seedWaitMs ?? waitMs, AbortSignal.any([done.signal, live.signal]))
    .then(over, over);
  try {
    for (const one of open) {
      noted.push({ ...one, sampling: { ...one.sampling, replayable: await findOf(live, one, { cost, late }) } });
    }
  } finally {
    done.abort(new Error('every engine was looked at'));
  }
  const known = live.originals.filter((one) => isOurs(live, one) && !open.includes(one));
  const found = [...noted, ...known].map(({ sampling }) => sampling.replayable ?? null);
  const plan = { ...live.plan, replayable: replayableOf(found), seedProbe: cost };
  await live.hold(async (tx) => {
    for (const one of noted) await putCandidate(tx, live.row.id, one);
    await tx
      .updateTable('arena_runs')
      .set({ plan: JSON.stringify(plan) })
      .where('id', '=', live.row.id)
      .execute();
  });
  for (const one of noted) live.keep(one);
  live.setPlan(plan);
}
