import { defineOptions } from '@labmesh/kit/options';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { formatRef } from '../../grammar/resource-ref.ts';
import { defaultSize, termOf } from '../../session/exec-plan.ts';
import { beginSession, inSession, sessionParts } from '../../session/session-call.ts';
import { sessionRef } from '../../session/session-ref.ts';

const options = defineOptions({
  stdin: { type: 'boolean', flag: 'stdin', short: 'i', help: 'send stdin; that of a terminal is sent anyway' },
});

/** Whether the command has a terminal. Who may attach may not always look: then it is taken to be like ours. */
async function hasTerminal(call: FleetCall<typeof options>, id: string, guess: boolean): Promise<boolean> {
  try {
    const { tty } = await (await call.labd()).call('get-session', { params: { id } });
    return tty;
  } catch (error) {
    const isHidden =
      error instanceof CommandError && [exitCodes.denied, exitCodes.notFound].some((one) => one === error.exitCode);
    if (isHidden) return guess;
    throw error;
  }
}

export const attach = defineFleetCommand({
  name: 'attach',
  summary:
    'Joins a command that runs: shows the last of its output, then follows. In a terminal, Enter ~d leaves it and ' +
    'Enter ~. hangs it up.',
  usage: 'labctl attach session/ID [-i]',
  examples: ['labctl attach session/01900000-0000-7000-8000-00000000000c'],
  options,
  positionalsMax: 2,
  async run(call) {
    const { values, positionals, world } = call;
    const ref = sessionRef(positionals);
    return inSession(async () => {
      const session = sessionParts(call);
      const { io } = session;
      const tty = await hasTerminal(call, ref.name, io.stdinIsTerminal && io.stdoutIsTerminal);
      const size = io.size() ?? defaultSize;
      const open = {
        kind: 'attach' as const,
        target: ref.name,
        // Without a terminal of our own the command keeps the size it has.
        tty: tty && io.stdoutIsTerminal ? { term: termOf(world.env), ...size } : null,
      };
      const sendsInput = values.stdin ?? io.stdinIsTerminal;
      return beginSession(session, { open, target: formatRef(ref), sendsInput, tty });
    });
  },
});
