import { releaseVersionField } from '@labmesh/wire/fleet/releases';
import { startRolloutSchema } from '@labmesh/wire/fleet/resources/rollouts';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { rolloutView } from '../../output/rollout-view.ts';
import { agentView } from '../../output/server-views.ts';

const usage = (problem: string, hint: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** The version, when there is one. @throws CommandError (exit 2) for a text that is none. */
function checked(version: string | undefined): string | undefined {
  if (version === undefined || releaseVersionField.safeParse(version).success) return version;
  throw usage(`"${version}" is no version`, 'such as 0.2.0');
}

export const agentsUpdate = defineFleetCommand({
  name: 'agents update',
  summary: 'Brings agents to a version: those named at once, those of a ring a few at a time. Alone it shows rollouts.',
  usage: 'labctl agents update [NAME…] [--version V] [--ring R] [--max-unavailable 10%] [--now] [--stop]',
  examples: [
    'labctl agents update --version 0.2.0 --ring canary',
    'labctl agents update --version 0.2.0 --max-unavailable 10%',
    'labctl agents update web-1,web-2 --version 0.2.0 --now',
    'labctl agents update',
    'labctl agents update --ring canary --stop',
  ],
  options: {
    version: { type: 'string', flag: 'version', placeholder: 'V', help: 'version to run; labd must have its release' },
    ring: {
      type: 'string',
      flag: 'ring',
      placeholder: 'R',
      help: 'servers whose label ring is R; default: the others',
    },
    maxUnavailable: {
      type: 'string',
      flag: 'max-unavailable',
      default: '10%',
      placeholder: 'N',
      help: 'agents, or share of them, that may be away or updating at once',
    },
    now: { type: 'boolean', flag: 'now', default: false, help: 'end sessions, in place of waiting for at most 15 min' },
    downgrade: { type: 'boolean', flag: 'downgrade', default: false, help: 'agents with a newer version too' },
    stop: { type: 'boolean', flag: 'stop', default: false, help: 'end the rollout of the ring' },
  },
  positionalsMax: 500,
  completes: [['agent/']],
  async run({ values, positionals, change, labd, result, note }) {
    const { ring, now, downgrade, stop, maxUnavailable } = values;
    const version = checked(values.version);
    if (stop && (version !== undefined || positionals.length > 0))
      throw usage('--stop takes neither names nor a version', 'labctl agents update --ring RING --stop');
    if (positionals.length > 0) {
      if (version === undefined || ring !== undefined)
        throw usage('agents that are named take a version and no ring', 'labctl agents update NAME --version V');
      const taken = { command: 'labctl agents update', types: ['agent', 'server'], bare: 'agent' } as const;
      for (const { name } of thingsOf(positionals, taken)) {
        const body = { version, now };
        const updated = await change(`update agent/${name} to ${version}`, async () =>
          (await labd()).call('update-agent', { params: { id: name }, body }),
        );
        if (updated !== undefined) await result.one(updated, agentView);
      }
      return;
    }
    if (version === undefined && !stop) {
      const { items } = await (await labd()).call('list-rollouts', {});
      if (items.length === 0) note('there is no rollout; labctl agents update --version V begins one');
      return result.list({ items, nextCursor: null }, rolloutView);
    }
    const input = { version: version ?? null, ring, maxUnavailable, now, downgrade };
    const problem = startRolloutSchema.safeParse(input).error?.issues[0];
    if (problem !== undefined)
      throw usage(`${problem.path.join('.')} ${problem.message}`, 'labctl agents update --help');
    const whom = ring === undefined ? 'all agents without a rollout of their ring' : `ring ${ring}`;
    const rollouts = await change(stop ? `end the rollout of ${whom}` : `bring ${whom} to ${version}`, async () =>
      (await labd()).call('update-agents', { body: input }),
    );
    if (rollouts !== undefined) await result.list({ ...rollouts, nextCursor: null }, rolloutView);
  },
});
