import { levelNames, levelOf } from '@labmesh/executor/sandbox-settings';
import { compatResult } from '@labmesh/wire/verification/compat-result';
import {
  jobLanguages,
  sandboxEndText,
  type SandboxJobInput,
  sandboxJobSchema,
  type SandboxResult,
} from '@labmesh/wire/verification/sandbox';
import { defineCommand, type World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption, socketOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { programJob, readProgram } from '../../sandbox/read-program.ts';
import { runExitCode } from '../../sandbox/run-outcome.ts';
import { withExecutor } from '../../sandbox/with-executor.ts';
import { safeText } from '../../terminal/safe-text.ts';

/** A stranger's program may not move the cursor of this terminal; in a pipe its bytes stay as they are. */
const shown = (base64: string, isTerminal: boolean): string => {
  const text = Buffer.from(base64, 'base64').toString('utf8');
  return isTerminal ? text.replace(/[^\n\t]+/g, safeText) : text;
};

function tell(
  result: SandboxResult,
  { json, view }: { json: boolean; view: 'compat' | undefined },
  world: World,
): void {
  if (view === 'compat') return world.stdout(`${JSON.stringify(compatResult(result))}\n`);
  if (json) return world.stdout(`${JSON.stringify(result)}\n`);
  world.stdout(shown(result.stdout, world.columns !== undefined));
  world.stderr(shown(result.stderr, world.stderrIsTerminal));
  const end = sandboxEndText(result);
  if (end !== '') world.stderr(`labctl: ${safeText(end)}\n`);
}

/** @throws CommandError (exit 2) that names the limit, and what it may be */
function checked(job: SandboxJobInput): SandboxJobInput {
  const issue = sandboxJobSchema.safeParse(job).error?.issues[0];
  if (issue === undefined) return job;
  throw new CommandError(`${issue.path.join('.')}: ${issue.message}`, { exitCode: exitCodes.usage });
}

/**
 * The same executor and the same job as the arena's verifiers have: what is seen here is what they see. The job is checked
 * before an executor is started for it, so that a mistyped limit costs no start.
 */
export const sandboxRun = defineCommand({
  name: 'sandbox run',
  summary:
    'Runs a program of a stranger, without network, files or environment of this machine. The exit code is the ' +
    "program's; 124: its time was up, 137: another limit ended it, 125: it was not run.",
  usage: 'labctl sandbox run FILE|- [options] [-- WORDS…]',
  examples: [
    'labctl sandbox run answer.py',
    'labctl sandbox run --language python --timeout 5s --memory 128MiB - < answer.py',
    'labctl sandbox run --level L0 answer.js --json',
    'labctl sandbox run --stdin sort.py -- --reverse < words',
  ],
  options: {
    level: {
      type: 'string',
      choices: levelNames,
      default: 'L1',
      flag: 'level',
      placeholder: 'LEVEL',
      help: 'isolation level; with --socket the least that will do',
    },
    language: {
      type: 'string',
      choices: jobLanguages,
      flag: 'language',
      placeholder: 'NAME',
      help: 'what the program is written in; default by the ending of the file',
    },
    timeout: {
      type: 'duration',
      default: '30s',
      flag: 'timeout',
      placeholder: 'TIME',
      help: 'longest time, at most 2m',
    },
    memory: {
      type: 'bytes',
      default: '512MiB',
      flag: 'memory',
      placeholder: 'SIZE',
      help: 'most memory, at most 2GiB',
    },
    stdin: { type: 'boolean', flag: 'stdin', short: 'i', default: false, help: 'give it the stdin of this command' },
    view: {
      type: 'string',
      choices: ['compat'],
      flag: 'view',
      placeholder: 'NAME',
      help: 'print the result as JSON in another form: compat, for clients of the original executor',
    },
    ...socketOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  takesRest: true,
  async run({ values, positionals: [path], rest = [], world }) {
    if (path === '-' && values.stdin) {
      throw new CommandError('- and --stdin both want stdin', { exitCode: exitCodes.usage });
    }
    const program = await readProgram(path, values.language, world);
    const job = checked({
      ...programJob(program, rest),
      minLevel: levelOf(values.level),
      stdin: values.stdin ? Buffer.from(await world.readStdin()).toString('base64') : '',
      // One limit for both clocks: a program that sleeps ends when one that computes does.
      limits: { wallMs: values.timeout, cpuMs: values.timeout, memoryBytes: values.memory },
    });
    const { socket, level } = values;
    const result = await withExecutor({ socket, level, world }, (client) => client.run(job, world.life.signal));
    tell(result, values, world);
    return runExitCode(result);
  },
});
