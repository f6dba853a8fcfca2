/** A command of the fleet: the shared flags read, settings settled, results and questions in their place. */
import type { OptionDefs } from '@labmesh/kit/options/option-def';
import type { LabdClient } from './client/labd-client.ts';
import type { Call, Command } from './command.ts';
import { Settings } from './config/settings.ts';
import { flagValues, type FleetOptions, fleetOptions, type FleetValues } from './fleet-options.ts';
import { confirm } from './output/confirm.ts';
import { ResultWriter } from './output/result.ts';
import { startTasks, type TaskProgress } from './output/task-progress.ts';
import { safeText } from './terminal/safe-text.ts';
import { config as configureSchemas } from 'zod';

/** A command's own options and the shared ones; its own win. */
type WithShared<D extends OptionDefs> = Omit<FleetOptions, keyof D> & D;

export type FleetCall<D extends OptionDefs> = Call<WithShared<D>> & {
  settings: Settings;
  result: ResultWriter;
  /** A line on stderr, not with --quiet. */
  note: (text: string) => void;
  /** A line on stderr, only with --verbose. */
  detail: (text: string) => void;
  /** Asks before something is destroyed; with --yes or --dry-run nobody is asked. @throws CommandError */
  confirm: (action: string, name: string) => Promise<void>;
  /** Does it, or with --dry-run only tells: undefined then. `what`: `delete server/web-1`. */
  change: <T>(what: string, act: () => Promise<T>) => Promise<T | undefined>;
  /** The client, opened once and closed when the command ends. @throws CommandError without a login */
  labd: () => Promise<LabdClient>;
  tasks: () => TaskProgress;
};

export type FleetCommand<D extends OptionDefs> = Omit<Command<D>, 'options' | 'run' | 'readFile'> & {
  options: D;
  /** The context may be one that is not set up yet: `login` makes it. */
  newContext?: true;
  run: (call: FleetCall<D>) => Promise<number | void>;
};

function fleetCall<D extends OptionDefs>(call: Call<WithShared<D>>, own: D, newContext: boolean): FleetCall<D> {
  // A command sees each kind of message once or twice; compiling a parser for it would take longer than that.
  configureSchemas({ jitless: true });
  const { world } = call;
  const given = call.values as unknown as FleetValues;
  // Another meaning of a flag is the command's own business: `config.yaml` knows nothing of it.
  const values = {
    ...given,
    ...('output' in own && { output: undefined }),
    ...('timeout' in own && { timeout: undefined }),
  };
  const settings = new Settings({ env: world.env, flags: flagValues(values), newContext });
  const note = (text: string) => {
    if (!values.quiet) world.stderr(`${safeText(text)}\n`);
  };
  const detail = (text: string) => {
    if (values.verbose) world.stderr(`${safeText(text)}\n`);
  };
  const result = new ResultWriter(world, {
    format: settings.output,
    colour: settings.colour(world.colourOut),
    columns: world.columns,
    now: world.clock.wall(),
  });
  let opened: Promise<LabdClient> | undefined;
  const labd = async () => {
    // Not loaded for commands that ask nobody.
    const { openLabd } = await import('./client/open-labd.ts');
    return world.life.stack.use(await openLabd({ world, settings, local: values.local, note: detail }));
  };
  return {
    ...call,
    settings,
    result,
    note,
    detail,
    confirm: (action, name) => confirm(world, { action, name, yes: values.yes || values.dryRun }),
    change: async (what, act) => {
      if (!values.dryRun) return act();
      world.stderr(`dry run: would ${safeText(what)}\n`);
      return undefined;
    },
    labd: () => (opened ??= labd()),
    tasks: () => startTasks({ ...world, colourErr: settings.colour(world.colourErr) }, values.progress, values.quiet),
  };
}

/** Adds the shared flags (CT-7); a command may give one of them another meaning by declaring it itself. */
export function defineFleetCommand<const D extends OptionDefs>(command: FleetCommand<D>): Command<WithShared<D>> {
  const { options, newContext, run, ...rest } = command;
  return {
    ...rest,
    // Its own first: they are what its help is read for.
    options: { ...options, ...fleetOptions, ...options },
    run: (call) => run(fleetCall(call, options, newContext === true)),
  };
}
