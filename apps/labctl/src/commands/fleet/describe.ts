import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { findResource } from '../../fleet/find-resource.ts';
import { openSource, sourceOption } from '../../fleet/gateway/open-source.ts';
import { pluralOf } from '../../fleet/resource.ts';
import { typeWords } from '../../grammar/resource-type.ts';
import { renderFields } from '../../output/result.ts';

/**
 * Everything about a thing, also what stands elsewhere: the facts of a server's agent (AG-6), the bindings of a role.
 */
export const describe = defineFleetCommand({
  name: 'describe',
  summary:
    'Shows everything that is known of a thing, a line each: a server with the facts of its agent, a role with its rules ' +
    'and who holds it, a session with its recording.',
  usage: 'labctl describe TYPE/NAME [-o FORM]',
  examples: ['labctl describe server/web-1', 'labctl describe role/operator', 'labctl describe session/ID -o json'],
  options: { ...sourceOption },
  positionalsMax: 500,
  completes: [[...typeWords, 'replicas']],
  async run(call) {
    const { positionals, result, world } = call;
    const { resource, names } = findResource(positionals);
    if (names.length === 0) {
      throw new CommandError(`the name of the ${resource.type} is missing`, {
        hint: `labctl describe ${resource.type}/NAME; labctl get ${pluralOf(resource.type)} lists them`,
        exitCode: exitCodes.usage,
      });
    }
    const from = await openSource(resource, call);
    for (const [index, name] of names.entries()) {
      const item = await resource.get(from, name);
      const { fields, below = '', object } = await resource.describe(from, item, world.clock.wall());
      await result.object(object, `${index === 0 ? '' : '\n'}${renderFields(fields)}${below}`);
    }
  },
});
