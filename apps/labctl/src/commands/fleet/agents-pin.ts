import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { thingOf } from '../../grammar/name-things.ts';
import { agentView } from '../../output/server-views.ts';

/** AG-9: a pinned agent is left out of every rollout. */
export const agentsPin = defineFleetCommand({
  name: 'agents pin',
  summary: 'Keeps an agent at a version, whatever is rolled out; --off lets it follow again.',
  usage: 'labctl agents pin NAME VERSION | labctl agents pin NAME --off',
  examples: ['labctl agents pin web-1 0.1.0', 'labctl agents pin web-1 --off'],
  options: { off: { type: 'boolean', flag: 'off', default: false, help: 'take the pin away' } },
  positionalsMax: 2,
  completes: [['agent/'], []],
  async run({ values, positionals, change, labd, result }) {
    const [name = '', version] = positionals;
    if ((version === undefined) !== values.off) {
      throw new CommandError(values.off ? '--off takes no version' : 'the version is missing', {
        hint: 'labctl agents pin NAME VERSION, or labctl agents pin NAME --off',
        exitCode: exitCodes.usage,
      });
    }
    const taken = { command: 'labctl agents pin', types: ['agent', 'server'], bare: 'agent' } as const;
    const ref = thingOf(name === '' ? [] : [name], taken);
    const what = values.off ? `take the pin of agent/${ref.name} away` : `pin agent/${ref.name} to ${version}`;
    const pinned = await change(what, async () =>
      (await labd()).call('pin-agent', { params: { id: ref.name }, body: { version: version ?? null } }),
    );
    if (pinned !== undefined) await result.one(pinned, agentView);
  },
});
