import { defineFleetCommand } from '../../fleet-command.ts';
import { deletableTypes, deletionOf } from '../../fleet/delete-thing.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { formatRef } from '../../grammar/resource-ref.ts';

/** Destructive, so it asks for the name (CT-7). `delete` itself is a word of the language. */
export const deleteCommand = defineFleetCommand({
  name: 'delete',
  summary: `Ends a thing for good: ${deletableTypes.join(', ')}. Asks for its name, or wants --yes where nobody is there.`,
  usage: 'labctl delete TYPE/NAME… [--yes] [--dry-run]',
  examples: [
    'labctl delete user/alice',
    'labctl delete server/web-1,web-2 --yes',
    'labctl delete binding/ID --dry-run',
  ],
  options: {},
  positionalsMax: 500,
  completes: [deletableTypes],
  async run({ positionals, confirm, change, labd, note, result }) {
    const refs = thingsOf(positionals, { command: 'labctl delete', types: deletableTypes });
    const done: string[] = [];
    for (const ref of refs) {
      const { consequence, act } = deletionOf(ref.type);
      const name = formatRef(ref);
      await confirm(`delete ${name}${consequence}`, ref.name);
      const answer = await change(`delete ${name}${consequence}`, async () => act(await labd(), ref.name));
      if (answer === undefined) continue;
      note(`deleted ${name}`);
      done.push(name);
    }
    await result.object({ deleted: done }, '');
  },
});
