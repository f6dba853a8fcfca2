import { tripletsRemovedSchema } from '@labmesh/wire/verification/datasets';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { CommandError } from '../../command-error.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { confirm } from '../../output/confirm.ts';
import { yesOption } from '../../verify/revoke-options.ts';

type Asked = { pair: string | undefined; run: string | undefined; all: boolean };

/** One of three, never a guess: the widest takes everything. @throws CommandError (exit 2) */
function wordsOf({ pair, run, all }: Asked): { path: string; action: string; name: string } {
  if ([pair !== undefined, run !== undefined, all].filter(Boolean).length !== 1) {
    throw new CommandError('name what is deleted: the id of a pair, --run ID or --all', {
      hint: 'labctl datasets triplets lists pairs and their runs',
      exitCode: exitCodes.usage,
    });
  }
  const root = '/api/arena/triplets';
  if (all) return { path: `${root}?all=true`, action: 'delete every pair of the tenant', name: 'all' };
  const id = oneId(
    [run ?? pair ?? ''],
    run === undefined ? 'the id of a pair' : 'the id of a run',
    'labctl datasets triplets --json',
  );
  return run === undefined
    ? { path: `${root}/${id}`, action: `delete the pair ${id}`, name: id.slice(0, 12) }
    : { path: `${root}?run=${encodeURIComponent(id)}`, action: `delete the pairs of run ${id}`, name: id.slice(0, 12) };
}

/** PD3: a deletion request. Exports that were written before are files of their owner, and not reached by it. */
export const datasetsForget = defineCommand({
  name: 'datasets forget',
  summary:
    'Deletes preference pairs for good: one, those of a run, or all of the tenant. Versions that held one are tainted and ' +
    'no longer exported.',
  usage: 'labctl datasets forget PAIR | --run ID | --all [--yes] [--json]',
  examples: ['labctl datasets forget --run 0199…', 'labctl datasets forget --all --yes'],
  options: {
    ofRun: { type: 'string', flag: 'run', placeholder: 'ID', help: 'the pairs of a run' },
    all: { type: 'boolean', flag: 'all', default: false, help: 'every pair of the tenant' },
    ...yesOption,
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const { path, action, name } = wordsOf({ pair: positionals[0], run: values.ofRun, all: values.all });
    await confirm(world, { action, name, yes: values.yes });
    await using arena = new ArenaClient(findApi(values, world), world);
    const { removed, taintedDatasets } = await arena.ask({ method: 'DELETE', path }, tripletsRemovedSchema);
    if (values.json) return world.stdout(`${JSON.stringify({ removed, taintedDatasets })}\n`);
    world.stdout(`deleted: ${removed} pairs; ${taintedDatasets} versions are tainted\n`);
  },
});
