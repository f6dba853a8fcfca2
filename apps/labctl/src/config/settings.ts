/**
 * What holds for one run of labctl, and where each value came from (CT-4):
 *
 *     flag  >  environment  >  context  >  file  >  default
 */
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseDuration } from '../grammar/duration.ts';
import { ConfigFile } from './config-file.ts';
import { configKeyNames, envName, keyDef, type ConfigKey, type OutputFormat } from './config-keys.ts';
import { configPath } from './config-paths.ts';

export type SettingLayer = 'flag' | 'env' | 'context' | 'file' | 'default' | 'unset';
export type Setting = {
  value: string | undefined;
  layer: SettingLayer;
  /** For people: `--timeout`, `LABCTL_OUTPUT`, `context prod (…/config.yaml:4)`, `default`. */
  origin: string;
};

/** Values of flags by key, undefined where the flag was not given. `currentContext` is --context. */
export type FlagValues = Partial<Record<ConfigKey, { value: string; flag: string }>>;

export type SettingsInput = {
  env: Environment;
  flags?: FlagValues;
  /** Replaced in tests; default: the file of `configPath`. */
  file?: ConfigFile;
  /** `login` makes a context that is not there yet. */
  newContext?: boolean;
};

export class Settings {
  readonly #input: SettingsInput;
  readonly #file: ConfigFile;
  readonly #read = new Map<ConfigKey, Setting>();
  /** Name of the context in force. */
  readonly context: string;

  /** @throws CommandError: exit 2 for flags, 3 for the rest, with the place and what is expected */
  constructor(input: SettingsInput) {
    this.#input = input;
    this.#file = (input.file ?? ConfigFile.open(configPath(input.env))).check();
    this.context = this.#find('currentContext', undefined).value ?? 'default';
    this.#checkContext();
    for (const key of configKeyNames) this.#read.set(key, this.#find(key, this.context));
  }

  /** A name that was never set up would fall back to the values of all contexts: another labd than the one meant. */
  #checkContext(): void {
    const { contexts } = this.#file;
    if (this.context === 'default' || contexts.has(this.context) || this.#input.newContext === true) return;
    const { layer, origin } = this.#find('currentContext', undefined);
    const known = [...contexts.keys()];
    throw new CommandError(`${origin}: there is no context ${JSON.stringify(this.context)}`, {
      hint: `${known.length === 0 ? 'none is set up' : `contexts: ${known.join(', ')}`}; labctl config set contexts.${this.context}.labd.url https://HOST:3100 makes it`,
      exitCode: layer === 'flag' ? exitCodes.usage : exitCodes.notConfigured,
    });
  }

  /** The value of the first layer that has one, checked. */
  #find(key: ConfigKey, context: string | undefined): Setting {
    const { flags, env } = this.#input;
    const flag = flags?.[key];
    if (flag !== undefined) return checked(key, { value: flag.value, layer: 'flag', origin: flag.flag });
    const name = envName(key);
    // An empty variable is an unset one: compose files write `NAME=${NAME:-}`.
    if (env[name]) return checked(key, { value: env[name], layer: 'env', origin: name });
    if (key === 'color' && env['NO_COLOR']) return { value: 'never', layer: 'env', origin: 'NO_COLOR' };
    const own = context === undefined ? undefined : this.#file.contexts.get(context)?.get(key);
    if (own !== undefined) return { value: own.value, layer: 'context', origin: `context ${context} (${own.place})` };
    const all = this.#file.values.get(key);
    if (all !== undefined) return { value: all.value, layer: 'file', origin: all.place };
    const value = keyDef(key).default;
    return value === undefined
      ? { value, layer: 'unset', origin: 'not set' }
      : { value, layer: 'default', origin: 'default' };
  }

  /** The contexts that the file has. */
  get contexts(): string[] {
    return [...this.#file.contexts.keys()];
  }

  setting(key: ConfigKey): Setting {
    return this.#read.get(key) ?? { value: undefined, layer: 'unset', origin: 'not set' };
  }

  get(key: ConfigKey): string | undefined {
    return this.setting(key).value;
  }

  /** A value without which the command cannot go on. @throws CommandError (exit 3) telling the ways to give it */
  need(key: ConfigKey): string {
    const value = this.get(key);
    if (value !== undefined) return value;
    const way = key === 'labd.url' ? 'labctl login https://HOST:3100, or ' : '';
    throw new CommandError(`${key} is not set`, {
      hint: `${way}labctl config set ${key} VALUE, or ${envName(key)}`,
      exitCode: exitCodes.notConfigured,
    });
  }

  get output(): OutputFormat {
    return this.get('output') as OutputFormat;
  }

  get timeoutMs(): number {
    return parseDuration(this.get('timeout') ?? '') ?? 30_000;
  }

  /** What `color` says about a stream on which the process would (or would not) show colours. */
  colour(wanted: boolean): boolean {
    const mode = this.get('color');
    return mode === 'always' || (mode !== 'never' && wanted);
  }
}

function checked(key: ConfigKey, setting: Setting & { value: string }): Setting {
  const { expected, fits } = keyDef(key);
  if (fits(setting.value)) return setting;
  throw new CommandError(`${setting.origin}: found ${JSON.stringify(setting.value)}, expected ${expected}`, {
    exitCode: setting.layer === 'flag' ? exitCodes.usage : exitCodes.notConfigured,
  });
}
