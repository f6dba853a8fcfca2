import { defineFleetCommand } from '../../fleet-command.ts';
import { formatRef } from '../../grammar/resource-ref.ts';
import { sessionRefs } from '../../session/session-ref.ts';

/** One request a session: those that are ended are told, also when a later one cannot be. */
export const kill = defineFleetCommand({
  name: 'kill',
  summary: 'Ends sessions: their commands are hung up, then killed.',
  usage: 'labctl kill session/ID…',
  examples: ['labctl kill session/01900000-0000-7000-8000-00000000000c'],
  options: {},
  positionalsMax: 100,
  async run({ positionals, labd, change, result, note }) {
    const refs = sessionRefs(positionals);
    const client = await labd();
    const ended: string[] = [];
    for (const ref of refs) {
      const done = await change(`end ${formatRef(ref)}`, () =>
        client.call('kill-session', { params: { id: ref.name } }),
      );
      if (done === undefined) continue;
      ended.push(ref.name);
      note(`${formatRef(ref)} is ended`);
    }
    await result.object({ ended }, '');
  },
});
