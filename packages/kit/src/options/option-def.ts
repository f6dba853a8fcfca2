/** What one option is: its type, its names in every place, and its default. `Values` of a set follow from it. */
type Base = {
  help: string;
  /** Long flag without `--`; absent = cannot be given on the command line. */
  flag?: string;
  /** One letter. */
  short?: string;
  env?: string;
  /** `<env>_FILE` names a file that holds the value (container secrets). */
  envFile?: true;
  /** Dotted path in the TOML file. */
  file?: string;
  placeholder?: string;
  /** Never shown in an error or in help. */
  secret?: true;
  /** Without any value the start is refused. */
  required?: true;
};
type StringDef = Base & { type: 'string'; default?: string; choices?: readonly string[] };
type NumberDef = Base & { type: 'integer' | 'number'; default?: number; min?: number; max?: number };
/** Values are milliseconds or bytes; texts such as `10s`, `256KiB` (units.ts) everywhere else. */
type DurationDef = Base & { type: 'duration'; default?: string };
type BytesDef = Base & { type: 'bytes'; default?: string };
type BooleanDef = Base & { type: 'boolean'; default?: boolean };
type ListDef = Base & {
  type: 'string[]';
  default?: readonly string[];
  choices?: readonly string[];
  /** Numbers in the file stand for their text: whoever reads the list knows more than one way to write it. */
  numbers?: true;
};
export type OptionDef = StringDef | NumberDef | DurationDef | BytesDef | BooleanDef | ListDef;
export type OptionDefs = Record<string, OptionDef>;

type Narrow<D> = D extends { choices: readonly (infer C)[] }
  ? C
  : D extends { type: 'string' | 'string[]' }
    ? string
    : D extends { type: 'boolean' }
      ? boolean
      : number;
type ValueOf<D> = D extends { type: 'string[]' }
  ? Narrow<D>[]
  : D extends { default: unknown } | { required: true }
    ? Narrow<D>
    : Narrow<D> | undefined;
/** The values a set of definitions gives. */
export type OptionValues<D extends OptionDefs> = { -readonly [K in keyof D]: ValueOf<D[K]> };
