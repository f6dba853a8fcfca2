import {
  judgesSchema,
  judgeTuningSchema,
  type JudgeTuningView,
  tuningLimits,
} from '@labmesh/wire/verification/judge-views';
import { tuningText } from '../../arena/tuning-text.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand, type World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';

/** Between two looks: a tuning takes minutes, and each look is one question. */
const pauseMs = 500;

/**
 * Looks until it has an end. The arena has the tuning, not this process: an interrupt ends the looking and nothing else.
 * @throws CommandError when the arena knows nothing of it any more
 */
async function ended(arena: ArenaClient, begun: JudgeTuningView, world: World): Promise<JudgeTuningView> {
  const { model, startedAt } = begun;
  for (;;) {
    const { tunings } = await arena.ask({ method: 'GET', path: '/api/arena/judges' }, judgesSchema);
    const tuning = tunings.find((one) => one.model === model);
    if (tuning === undefined) throw new CommandError('the arena began anew meanwhile', { exitCode: exitCodes.failed });
    // One that came to no end leaves what was found before as it was.
    if (tuning.startedAt !== startedAt) return { ...begun, state: 'failed', reason: 'what was found before stays' };
    if (tuning.state !== 'running') return tuning;
    await world.clock.sleep(pauseMs, world.life.signal);
  }
}

/** AR17: scored on what people decided; a third of that is held out, and only a person puts the winner in use. */
export const arenaJudgeTune = defineCommand({
  name: 'arena judge tune',
  summary:
    'Looks for instructions under which a model judges as people did: on gold pairs, a third of them held out. Nothing ' +
    'changes before arena judge approve. It needs 30 gold pairs of several tasks, and costs up to 16 calls a trial and 4 a ' +
    'held-out pair, paid by the tenant of the key. Exit codes: 0 found, 1 no end, 3 nothing better was found.',
  usage: 'labctl arena judge tune MODEL [--candidates N] [--trials N] [--seed N] [--json]',
  examples: ['labctl arena judge tune gpt-4o-mini', 'labctl arena judge tune gpt-4o-mini --trials 60 --seed 7'],
  options: {
    candidates: {
      type: 'integer',
      flag: 'candidates',
      default: 10,
      min: 2,
      max: tuningLimits.candidatesMost,
      help: 'instructions to try, the present ones among them; default 10',
    },
    trials: {
      type: 'integer',
      flag: 'trials',
      default: 30,
      min: 2,
      max: tuningLimits.trialsMost,
      help: 'of one candidate on 8 pairs each, at least one a candidate; default 30',
    },
    seed: { type: 'integer', flag: 'seed', default: 42, min: 0, help: 'of all that is drawn; default 42' },
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const [model] = positionals;
    if (model === undefined) {
      throw new CommandError('no model was named', { hint: 'labctl models lists them', exitCode: exitCodes.usage });
    }
    const { candidates, trials, seed } = values;
    await using arena = new ArenaClient(findApi(values, world), world);
    const json = { model, candidates, trials, seed };
    const begun = await arena.ask({ method: 'POST', path: '/api/arena/judges/tune', json }, judgeTuningSchema);
    if (!values.json) world.stderr('hundreds of calls; the tuning goes on when this is interrupted\n');
    const tuning = await ended(arena, begun, world);
    world.stdout(values.json ? `${JSON.stringify(tuning)}\n` : tuningText(tuning));
    return { found: 0, none: 3 }[tuning.state as string] ?? 1;
  },
});
