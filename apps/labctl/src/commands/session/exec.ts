import { defineOptions } from '@labmesh/kit/options';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { parseRefs } from '../../grammar/resource-ref.ts';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { type ExecWish, planExec } from '../../session/exec-plan.ts';
import { beginSession, inSession, sessionParts } from '../../session/session-call.ts';

const forms = ['prefix', 'group', 'ndjson', 'json'] as const;

const options = defineOptions({
  stdin: {
    type: 'boolean',
    flag: 'stdin',
    short: 'i',
    help: 'send stdin; a pipe or file is sent anyway, --no-stdin keeps it',
  },
  tty: { type: 'boolean', flag: 'tty', short: 't', default: false, help: 'give the command a terminal' },
  login: { type: 'string', flag: 'login', placeholder: 'ACCOUNT', help: 'account to run as; default root' },
  timeout: {
    type: 'duration',
    flag: 'timeout',
    placeholder: 'TIME',
    help: 'end the command after this long (exit 124)',
  },
  detach: { type: 'boolean', flag: 'detach', short: 'd', default: false, help: 'leave it running; prints its session' },
  env: { type: 'string[]', flag: 'env', short: 'e', placeholder: 'K=V', help: 'set a variable; may be repeated' },
  cwd: { type: 'string', flag: 'cwd', placeholder: 'DIR', help: 'folder to run in; default the home of the account' },
  shell: { type: 'string', flag: 'shell', short: 'c', placeholder: 'TEXT', help: 'run a line of /bin/sh' },
  noRecord: { type: 'boolean', flag: 'no-record', default: false, help: 'do not record it (verb exec-unrecorded)' },
  keepChildren: { type: 'boolean', flag: 'keep-children', default: false, help: 'let what it started live on' },
  selector: { type: 'string', flag: 'selector', short: 'l', placeholder: 'SEL', help: 'servers with these labels' },
  file: { type: 'string', flag: 'file', short: 'f', placeholder: 'FILE', help: 'servers named in a file, one a line' },
  all: { type: 'boolean', flag: 'all', default: false, help: 'every server; asks, or needs --yes' },
  batch: { type: 'integer', flag: 'batch', default: 50, min: 1, max: 500, help: 'servers at a time' },
  maxFail: { type: 'string', flag: 'max-fail', placeholder: 'N|P%', help: 'more failures than this start no others' },
  skipDenied: { type: 'boolean', flag: 'skip-denied', default: false, help: 'leave out servers that are denied' },
  output: {
    type: 'string',
    flag: 'output',
    short: 'o',
    choices: forms,
    placeholder: 'FORM',
    help: 'form of the output of many servers; default prefix',
  },
  fold: { type: 'boolean', flag: 'fold', default: false, help: 'join servers that said the same' },
});

type Values = OptionValues<typeof options>;

/** What was asked, whether of one server or of many: only then is it planned for a terminal or a pipe. */
const wishOf = (values: Values, rest: readonly string[] | undefined): ExecWish => ({
  argv: rest,
  shell: values.shell,
  login: values.login,
  cwd: values.cwd,
  env: values.env ?? [],
  timeoutMs: values.timeout,
  tty: values.tty,
  stdin: values.stdin,
  detach: values.detach,
  keepChildren: values.keepChildren,
  noRecord: values.noRecord,
});

/** A form of output is for many, even where only one is named: a script gets the same lines from one as from ten. */
const isMany = ({ selector, file, all, output, json, fold }: Values & { json: boolean }) =>
  selector !== undefined || file !== undefined || all || output !== undefined || json || fold;

export const exec = defineFleetCommand({
  name: 'exec',
  summary:
    'Runs a command on a server, or a login shell without one. In a terminal, Enter ~d detaches and Enter ~. ends. ' +
    'Exit codes are those of the command; 255 is a failure on the way to it.',
  usage: 'labctl exec [server/]NAME [options] -- COMMAND…, or exec -l SEL|--file FILE|--all -- COMMAND…',
  examples: [
    'labctl exec web-1',
    'labctl exec web-1 -- systemctl status nginx',
    'labctl exec -l role=web --batch 20 -- uptime',
    'tar c . | labctl exec web-1 -- tar x -C /srv',
  ],
  options,
  positionalsMax: 1_000,
  takesRest: true,
  async run(call) {
    const { values, positionals, rest } = call;
    // Both would be a command, and none could be the other's arguments.
    if (rest !== undefined && values.shell !== undefined) {
      throw new CommandError('give --shell or a command behind --, not both', { exitCode: exitCodes.usage });
    }
    const refs = positionals.length === 0 ? [] : parseRefs(positionals, { bare: 'server' });
    const [ref, second] = refs;
    return inSession(async () => {
      if (second !== undefined || isMany(values)) return runOnMany(call, refs);
      if (ref === undefined) {
        throw new CommandError('which server is missing', {
          hint: 'labctl exec web-1 -- uptime; or -l SELECTOR, --file FILE, --all',
          exitCode: exitCodes.usage,
        });
      }
      if (ref.type !== 'server') {
        const hint = ref.type === 'session' ? `labctl attach session/${ref.name}` : 'write server/<name>';
        throw new CommandError(`commands run on servers, and ${ref.type}/${ref.name} is none`, {
          hint,
          exitCode: exitCodes.usage,
        });
      }
      return runOnOne(call, ref.name);
    });
  },
});

type ExecCall = FleetCall<typeof options>;

async function runOnOne(call: ExecCall, name: string): Promise<number> {
  const { values, rest, world } = call;
  const session = sessionParts(call);
  const { io } = session;
  const { stdinIsTerminal, stdoutIsTerminal, stdinIsGiven } = io;
  const own = { stdinIsTerminal, stdoutIsTerminal, stdinIsGiven, size: io.size(), env: world.env };
  const { open, sendsInput } = planExec(name, wishOf(values, rest), own);
  const target = `server/${name}`;
  if (values.dryRun) {
    world.stderr(`dry run: would run it on ${target}\n`);
    return exitCodes.ok;
  }
  return beginSession(session, { open, target, sendsInput, tty: open.tty !== null });
}

/** Loaded when it is needed: most calls are for one server. */
async function runOnMany(call: ExecCall, refs: ReturnType<typeof parseRefs>): Promise<number> {
  const { values, rest, world, labd, note, confirm } = call;
  const { runMany } = await import('../../session/fan/run-many.ts');
  const { io, link } = sessionParts(call);
  const { selector, file, all, login, skipDenied, batch, maxFail, fold } = values;
  const wish = {
    targets: { refs, selector, file, all, login, skipDenied },
    exec: wishOf(values, rest),
    batch,
    maxFail,
    form: values.output ?? (values.json ? 'json' : 'prefix'),
    fold,
  } as const;
  return runMany(wish, { world, io, labd, link, note, confirm, dryRun: values.dryRun });
}
