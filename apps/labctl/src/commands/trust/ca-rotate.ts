import { caPhases } from '@labmesh/wire/fleet/resources/records';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { caText, nextPhase, phaseMeaning } from '../../fleet/ca-text.ts';

/** CA-10. One step at a time, each asked for by the name of the phase it leads to. */
export const caRotate = defineFleetCommand({
  name: 'ca rotate',
  summary:
    'Moves the rotation of the CA one phase on: standby, init, update_clients, update_servers, standby; at least ten ' +
    'minutes each. Stops when agents have not reported the new bundle, unless --force; --rollback goes back from any phase.',
  usage: 'labctl ca rotate [--to PHASE | --rollback] [--force] [--yes]',
  examples: ['labctl ca rotate', 'labctl ca rotate --to update_clients --force --yes', 'labctl ca rotate --rollback'],
  options: {
    to: {
      type: 'string',
      flag: 'to',
      choices: caPhases,
      placeholder: 'PHASE',
      help: 'the phase; default the next one',
    },
    rollback: { type: 'boolean', flag: 'rollback', default: false, help: 'back to the old root' },
    force: { type: 'boolean', flag: 'force', default: false, help: 'leave those behind who lack the new bundle' },
  },
  positionalsMax: 0,
  async run({ values, confirm, change, labd, note, result }) {
    const { to: given, rollback, force } = values;
    if (rollback && given !== undefined) {
      throw new CommandError('either --to or --rollback', { exitCode: exitCodes.usage });
    }
    const client = await labd();
    const before = await client.call('get-ca');
    const to = rollback ? 'rollback' : (given ?? nextPhase(before.phase));
    const behind = before.behind.length === 0 || to === 'init' ? '' : `; ${before.behind.length} agents are behind`;
    const what = `move the CA from ${before.phase} to ${to} (${phaseMeaning[to]})${behind}`;
    await confirm(what, to);
    const status = await change(what, () => client.call('rotate-ca', { body: { to, force } }));
    if (status === undefined) return;
    note(`the CA is in phase ${status.phase} now`);
    await result.object(status, await caText(status, result.options));
  },
});
