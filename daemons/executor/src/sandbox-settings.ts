/** The section `[sandbox]` of labmesh.toml: what runs of foreign code may use on this machine. */
import { defineOptions, parseOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import { type SandboxLevel, sandboxLevels } from '@labmesh/wire/verification/sandbox';

/** As people write levels, weakest first; the names of the contract are longer. */
export const levelNames = ['L0', 'L1', 'L2', 'L3', 'L4'] as const;
export type LevelName = (typeof levelNames)[number];

export const levelOf = (name: LevelName): SandboxLevel => sandboxLevels[levelNames.indexOf(name)] as SandboxLevel;
export const levelName = (level: SandboxLevel): LevelName => levelNames[sandboxLevels.indexOf(level)] as LevelName;

export const sandboxOptions = defineOptions({
  pool: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 64,
    flag: 'pool',
    file: 'sandbox.pool',
    placeholder: 'N',
    help: 'runs at a time, shared fairly by tenants; 256 more may wait, 128 of one tenant',
  },
  minLevel: {
    type: 'string',
    choices: levelNames,
    default: 'L1',
    flag: 'min-level',
    file: 'sandbox.min_level',
    placeholder: 'LEVEL',
    help: 'least isolation of any run, whatever is asked',
  },
  level: {
    type: 'string',
    choices: ['auto', ...levelNames],
    default: 'auto',
    flag: 'level',
    file: 'sandbox.level',
    placeholder: 'LEVEL',
    help: 'level of all runs; auto takes the highest that is ready',
  },
  uidBase: {
    type: 'integer',
    default: 900_000,
    min: 65_536,
    max: 2_000_000_000,
    flag: 'uid-base',
    file: 'sandbox.uid_base',
    placeholder: 'UID',
    help: 'first of 1024 user ids that belong to sandboxes alone',
  },
});
export type SandboxSettings = OptionValues<typeof sandboxOptions>;

/** @throws OptionsError (exit 3) with file, line and key */
export function readSandboxSettings(file: OptionsFile | undefined): SandboxSettings {
  return parseOptions(sandboxOptions, { file: file && besideOthers(sandboxOptions, file) }).values;
}

/** The same settings as flags of `lab-executor`. */
export const settingsFlags = (settings: SandboxSettings): string[] =>
  Object.entries(sandboxOptions).map(([key, { flag }]) => `--${flag}=${settings[key as keyof SandboxSettings]}`);
