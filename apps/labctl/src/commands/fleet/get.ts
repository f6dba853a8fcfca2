import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { type FleetCall, defineFleetCommand } from '../../fleet-command.ts';
import { findResource, listedTypes } from '../../fleet/find-resource.ts';
import { openSource, sourceOption } from '../../fleet/gateway/open-source.ts';
import { type AnyResource, checkFilters, type Filters, pluralOf, type Source } from '../../fleet/resource.ts';
import { sortItems } from '../../fleet/sort-items.ts';
import { watchList } from '../../fleet/watch-list.ts';
import { typeWords } from '../../grammar/resource-type.ts';
import type { Listed } from '../../output/result.ts';

const options = {
  selector: {
    type: 'string',
    flag: 'selector',
    short: 'l',
    placeholder: 'SEL',
    help: 'labels: k=v, k!=v, k in (a,b), !k, joined by comma',
  },
  env: { type: 'string', flag: 'env', placeholder: 'NAME', help: 'servers of this environment' },
  cloud: { type: 'string', flag: 'cloud', placeholder: 'NAME', help: 'servers in this cloud' },
  role: { type: 'string', flag: 'role', placeholder: 'NAME', help: 'servers, machines or bindings with this role' },
  status: { type: 'string', flag: 'status', placeholder: 'STATE', help: 'what is in this state' },
  match: { type: 'string', flag: 'match', placeholder: 'TEXT', help: 'what has this in its name' },
  server: { type: 'string', flag: 'server', placeholder: 'NAME', help: 'sessions on this server' },
  job: { type: 'string', flag: 'job', placeholder: 'ID', help: 'sessions of this job' },
  kind: { type: 'string', flag: 'kind', placeholder: 'KIND', help: 'tokens for agents, bastions or services' },
  sort: {
    type: 'string',
    flag: 'sort',
    placeholder: 'KEY',
    help: 'order by a column or field; --sort=-KEY turns it round',
  },
  watch: { type: 'boolean', flag: 'watch', short: 'w', default: false, help: 'go on showing changes' },
  ...sourceOption,
} as const;

type GetCall = FleetCall<typeof options>;

/** Asks once, sorted as wanted. */
async function ask(
  { values, world }: GetCall,
  resource: AnyResource,
  names: readonly string[],
  from: Source,
): Promise<Listed<unknown>> {
  const filters: Filters = values;
  const list =
    names.length === 0
      ? await resource.list(from, filters)
      : { items: await Promise.all(names.map((name) => resource.get(from, name))), nextCursor: null };
  if (values.sort === undefined) return list;
  return { ...list, items: sortItems(list.items, resource.view, values.sort, world.clock.wall()) };
}

/**
 * One command for every type (CT-2): a type is a row of `find-resource.ts`, and its filters are checked before labd is
 * asked, so that one which means nothing for the type is an error and not a longer list.
 */
export const get = defineFleetCommand({
  name: 'get',
  summary:
    `Lists things of a type, or shows those that are named: ${listedTypes.join(', ')}. -o wide shows more columns, -w goes on ` +
    'watching: redrawn on a terminal, elsewhere a line of JSON for each change. Keys and aliases are those of the gateway that ' +
    'runs on this machine.',
  usage: 'labctl get TYPE[/NAME…] [-l SEL] [--env E --cloud C --role R --status S] [--sort KEY] [-w] [-o FORM]',
  examples: [
    'labctl get servers -l team=search --env production',
    'labctl get server/web-1 -o json',
    'labctl get sessions --status open -w',
    'labctl get tokens --sort=-createdAt',
  ],
  options,
  positionalsMax: 500,
  completes: [[...typeWords, 'replicas']],
  async run(call) {
    const { values, positionals, result, world, note } = call;
    const { resource, names } = findResource(positionals);
    const { view } = resource;
    const filters: Filters = values;
    checkFilters(resource, filters);
    if (names.length > 0 && resource.filters.some((name) => filters[name] !== undefined)) {
      throw new CommandError('either names or filters: things that are named are not narrowed', {
        exitCode: exitCodes.usage,
      });
    }
    const from = await openSource(resource, call);
    if (values.watch) {
      await watchList({ world, options: result.options, view, note, ask: () => ask(call, resource, names, from) });
    }
    const list = await ask(call, resource, names, from);
    const [only] = list.items;
    if (names.length === 1 && only !== undefined) return result.one(only, view);
    await result.list(list, view);
    if (list.items.length === 0) note(`no ${pluralOf(resource.type)}`);
  },
});
