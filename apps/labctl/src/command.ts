/**
 * A command is a value: its name and help, its options, and what it does. The dispatcher parses, runs and turns
 * errors into text; a command never reads `process`, so tests run it with a world of their own.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { OptionDefs, OptionValues } from '@labmesh/kit/options/option-def';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { Life } from '@labmesh/kit/run';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a command's words come from and go to. `stdout` holds the result only, everything else goes to `stderr`. */
export type World = {
  env: Environment;
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  /** True = a person reads there, and colours are wanted. */
  colourOut: boolean;
  colourErr: boolean;
  stderrIsTerminal: boolean;
  /** A person can be asked. */
  stdinIsTerminal: boolean;
  /** Width of the terminal, undefined when stdout is none. */
  columns: number | undefined;
  /** All of stdin, to its end. */
  readStdin: () => Promise<string>;
  /** One line from the person, asked for on stderr; undefined when there is none (end of input). Hidden: not echoed. */
  ask: (question: string, how?: { hidden?: boolean }) => Promise<string | undefined>;
  clock: Clock;
  /** Aborted by the first Ctrl-C. */
  life: Life;
};

export type Call<D extends OptionDefs> = {
  values: OptionValues<D>;
  positionals: string[];
  /** The words after `--`, as they are; undefined without it, and for commands that do not take them. */
  rest: readonly string[] | undefined;
  /** Where each value came from: `--port`, `labmesh.toml:3`, `default`, … */
  sources: Readonly<Record<keyof D & string, string>>;
  world: World;
  /** All commands of this program, for what is made from them: completion, documents. */
  commands: readonly CommandEntry[];
  /** The settings file, where the command reads one. */
  file: OptionsFile | undefined;
};

export type Command<D extends OptionDefs = OptionDefs> = {
  /** As typed: `keys create`. Its file is `keys-create.ts` below `commands`. */
  name: string;
  /** A sentence or two, for --help of the command itself. */
  summary: string;
  usage: string;
  examples: readonly string[];
  options: D;
  /** Words beside the flags; one more is a usage error. */
  positionalsMax: number;
  /** Words after `--` belong to somebody else (`exec`): they are not read, but given as `rest`. */
  takesRest?: true;
  /** What a shell may offer for the words beside the flags, first word first; the last list also for later ones. */
  completes?: readonly (readonly string[])[];
  /** Finds the settings file; gets the words before they are parsed. */
  readFile?: (argv: readonly string[], env: Environment) => Promise<OptionsFile | undefined>;
  /** Gives the exit code; nothing = 0. */
  run(call: Call<D>): Promise<number | void>;
};

/** A command that is loaded when it is needed: `labctl version` must not wait for the gateway's code. */
export type CommandEntry = { name: string; summary: string; load: () => Promise<Command> };
/** Commands that stand together in the help. */
export type CommandGroup = { title: string; entries: readonly CommandEntry[] };

/** Checks nothing, keeps the literal types of the options. */
export function defineCommand<const D extends OptionDefs>(command: Command<D>): Command<D> {
  return command;
}
