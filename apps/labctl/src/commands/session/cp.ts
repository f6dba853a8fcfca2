import { defineOptions } from '@labmesh/kit/options';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { parseCopySide } from '../../grammar/copy-side.ts';
import { ClientLink } from '../../session/client-link.ts';
import { CopyMeter } from '../../session/copy/copy-meter.ts';
import { type Copied, copyIn, copyOut, type CopyParts, type CopyPlan } from '../../session/copy/copy-session.ts';
import { copyAgain, copyProblem } from '../../session/copy/copy-problem.ts';
import { sessionParts } from '../../session/session-call.ts';

const options = defineOptions({
  recursive: {
    type: 'boolean',
    flag: 'recursive',
    short: 'r',
    default: false,
    help: 'folders with all that is in them',
  },
  preserve: { type: 'boolean', flag: 'preserve', short: 'p', default: false, help: 'keep mode, owner and times' },
  login: { type: 'string', flag: 'login', placeholder: 'ACCOUNT', help: 'account on the server; default root' },
});

type CpCall = FleetCall<typeof options>;
type Direction = 'copy-in' | 'copy-out';

const usage = (message: string, hint = 'labctl cp ./file web-1:/path, or labctl cp web-1:/path ./file') =>
  new CommandError(message, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) */
export function readSides(words: readonly string[]): {
  direction: Direction;
  server: string;
  remote: string;
  local: string;
} {
  const [from, to] = words;
  if (from === undefined || to === undefined) throw usage('what is copied, and where to');
  const [source, target] = [parseCopySide(from), parseCopySide(to)];
  const [there, here] = source.at === 'server' ? [source, target] : [target, source];
  if (there.at !== 'server' || here.at !== 'here') throw usage('one side is on a server, the other one here');
  if (!there.path.startsWith('/')) throw usage(`paths on a server are absolute: ${there.ref.name}:/${there.path}`);
  const direction = source.at === 'server' ? 'copy-out' : 'copy-in';
  return { direction, server: there.ref.name, remote: there.path, local: here.path };
}

export const cp = defineFleetCommand({
  name: 'cp',
  summary:
    'Copies files to or from a server. A copy of one file that was cut goes on where it was; sums are compared at the end.',
  usage: 'labctl cp [-r] [-p] SRC DST, one of them server/NAME:/path',
  examples: ['labctl cp nginx.conf web-1:/etc/nginx/', 'labctl cp -r server/web-1:/var/log/nginx ./logs'],
  options,
  positionalsMax: 2,
  async run(call) {
    const { values, positionals, world } = call;
    const { direction, ...sides } = readSides(positionals);
    const { login, recursive, preserve } = values;
    const plan: CopyPlan = { ...sides, login, recursive, preserve };
    const [from, to] = positionals;
    if (values.dryRun) {
      world.stderr(`dry run: would copy ${JSON.stringify(from)} to ${JSON.stringify(to)}\n`);
      return exitCodes.ok;
    }
    return copy(call, direction, plan);
  },
});

async function copy(call: CpCall, direction: Direction, plan: CopyPlan): Promise<number> {
  const { values, world, note, result } = call;
  const session = sessionParts(call);
  await using link = new ClientLink(session.link);
  using tasks = call.tasks();
  const tellsRate = world.stderrIsTerminal || values.progress === 'json';
  const name = `${plan.server}:${plan.remote}`;
  const meter = new CopyMeter({ name, tasks, clock: world.clock, tellsRate });
  const { signal } = world.life;
  const parts: CopyParts = { open: link.open.bind(link), meter, warn: (text) => note(`left out: ${text}`), signal };
  let copied: Copied;
  try {
    copied = await copyAgain(direction === 'copy-in' ? copyIn : copyOut, plan, parts);
  } catch (error) {
    meter.end('failed');
    signal.throwIfAborted();
    throw copyProblem(error, direction, plan, session.where, world.clock.wall());
  }
  meter.end(copied.leftOut === 0 ? 'done' : 'failed');
  if (copied.resumed > 0) note(`went on at byte ${copied.resumed}`);
  await result.object({ server: plan.server, path: plan.remote, direction, ...copied }, '');
  if (copied.leftOut === 0) return exitCodes.ok;
  note(`${copied.leftOut} entries were left out`);
  return exitCodes.failed;
}
