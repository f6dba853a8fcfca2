import { defineFleetCommand } from '../../fleet-command.ts';
import { deletionOf } from '../../fleet/delete-thing.ts';
import { thingsOf } from '../../grammar/name-things.ts';

/** The classic name of `delete agent/NAME` (CA-9). */
export const agentsRemove = defineFleetCommand({
  name: 'agents remove',
  summary: 'Revokes the certificate of an agent; the machine may join again with a token. As delete agent/NAME.',
  usage: 'labctl agents remove NAME… [--yes]',
  examples: ['labctl agents remove web-1', 'labctl agents remove web-1 web-2 --yes'],
  options: {},
  positionalsMax: 500,
  completes: [['agent/']],
  async run({ positionals, confirm, change, labd, note, result }) {
    const refs = thingsOf(positionals, { command: 'labctl agents remove', types: ['agent', 'server'], bare: 'agent' });
    const { consequence, act } = deletionOf('agent');
    const done: string[] = [];
    for (const { name } of refs) {
      const what = `remove agent/${name}${consequence}`;
      await confirm(what, name);
      if ((await change(what, async () => act(await labd(), name))) === undefined) continue;
      note(`removed agent/${name}`);
      done.push(`agent/${name}`);
    }
    await result.object({ removed: done }, '');
  },
});
