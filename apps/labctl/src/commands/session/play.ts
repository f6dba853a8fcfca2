import { defineOptions } from '@labmesh/kit/options';
import { CastError } from '@labmesh/wire/fleet/asciicast';
import { CommandError } from '../../command-error.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { formatRef } from '../../grammar/resource-ref.ts';
import { playCast } from '../../session/play/cast-player.ts';
import { processIo } from '../../session/process-io.ts';
import { untilGone } from '../../session/session-io.ts';
import { sessionRef } from '../../session/session-ref.ts';

const options = defineOptions({
  speed: { type: 'number', flag: 'speed', default: 1, min: 0.01, max: 1_000, help: 'times as fast' },
  idleMax: { type: 'duration', flag: 'idle-max', placeholder: 'TIME', help: 'longest pause' },
});

export const play = defineFleetCommand({
  name: 'play',
  summary: 'Plays the recording of a session on the terminal. In a pipe, or with -o json, it is the asciicast file.',
  usage: 'labctl play session/ID [--speed N] [--idle-max TIME]',
  examples: [
    'labctl play session/01900000-0000-7000-8000-00000000000c --speed 4 --idle-max 1s',
    'labctl play session/01900000-0000-7000-8000-00000000000c > web-1.cast',
  ],
  options,
  positionalsMax: 2,
  run: (call) => untilGone(() => show(call)),
});

async function show({ values, positionals, labd, world, result, note }: FleetCall<typeof options>): Promise<void> {
  const ref = sessionRef(positionals);
  const source = await (await labd()).stream('get-recording', { params: { id: ref.name } });
  const io = processIo();
  const write = (bytes: Uint8Array) => io.write(1, bytes);
  // Escape codes of somebody else's terminal are for terminals only.
  if (!io.stdoutIsTerminal || result.options.format !== 'table') {
    for await (const bytes of source) await write(bytes);
    return;
  }
  const own = io.size();
  const { speed, idleMax } = values;
  try {
    const { exit, cut } = await playCast(source, {
      write,
      clock: world.clock,
      signal: world.life.signal,
      speed,
      idleMax: idleMax === undefined ? undefined : idleMax / 1000,
      began: ({ term: { cols, rows } }) => {
        if (own === undefined || (cols <= own.cols && rows <= own.rows)) return;
        note(`recorded at ${cols}x${rows}; this terminal is ${own.cols}x${own.rows}`);
      },
    });
    if (!values.quiet) world.stderr('\n');
    note(
      cut ? '[labmesh: the recording breaks off here]' : `[labmesh: end${exit === undefined ? '' : `, exit ${exit}`}]`,
    );
  } catch (error) {
    if (!(error instanceof CastError)) throw error;
    throw new CommandError(`the recording of ${formatRef(ref)} cannot be read: ${error.message}`, {
      hint: 'labctl and labd may be of different versions; labctl version shows both',
      cause: error,
    });
  }
}
