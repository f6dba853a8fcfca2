/** `[arena]`, `[verify]`, `[attest]` and `[training]` of labmesh.toml. */
import { arenaDaemonOptions, type ArenaDaemonOptions } from './arena-daemon-options.ts';
import { defineOptions, OptionsError, parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import { attestOptions, type AttestSettings, readAttestSettings } from './certify/attest-options.ts';
import { readToolSettings, toolOptions, toolServersKey } from './generate/tools/tool-settings.ts';
import type { JudgeSettings } from './judges/judge-of.ts';
import { readTrainingSettings, trainingOptions } from './pairs/flywheel/training-options.ts';
import { arenaRunOptions, readRunSettings } from './runs/arena-options.ts';
import { readEveryVerifier } from './verify/built-in-verifiers.ts';

export type ArenaSettings = {
  runs: ReturnType<typeof readRunSettings>;
  verify: ReturnType<typeof readEveryVerifier>;
  judge: JudgeSettings;
  attest: AttestSettings;
  training: ReturnType<typeof readTrainingSettings>;
  tools: ReturnType<typeof readToolSettings>;
};

const judgeOptions = defineOptions({
  judge: {
    type: 'string',
    default: 'verifiers',
    choices: ['verifiers', 'llm', 'composite'],
    file: 'arena.judge.kind',
    help: 'who compares valid answers: scores of verifiers, a model, or both',
  },
  judgeModels: {
    type: 'string[]',
    file: 'arena.judge.models',
    placeholder: 'MODEL',
    help: 'models that judge; several are a panel',
  },
});

const arenaOptions = { ...arenaRunOptions, ...judgeOptions, ...attestOptions, ...trainingOptions, ...toolOptions };
type Parsed = ReturnType<typeof parseOptions<typeof arenaOptions>>;
type Env = Readonly<Record<string, string | undefined>>;
type ArenaWords = { argv?: string[]; env: Env };

/** The file without what others read: other programs, and the reader of tool servers, whose names no option knows. */
function ownTables(options: typeof arenaOptions, file: OptionsFile | undefined): OptionsFile | undefined {
  if (file === undefined) return undefined;
  const own = besideOthers(options, file);
  return { ...own, known: [...(own.known ?? []), toolServersKey] };
}

/** @throws OptionsError (exit 3) with file, line and key; UnknownVerifier for a table of none */
export function readArenaSettings(file: OptionsFile | undefined, env: Env): ArenaSettings {
  const own = ownTables(arenaOptions, file);
  return settingsOf(parseOptions(arenaOptions, { argv: [], env, file: own, positionalsMax: 0 }), file, env);
}

/** The same for `lab-arena`, with what only the program reads. @throws as above; OptionsError (exit 2) for a flag */
export function readDaemonSettings(
  file: OptionsFile | undefined,
  { argv = [], env }: ArenaWords,
): { values: ArenaDaemonOptions; settings: ArenaSettings } {
  const options = { ...arenaOptions, ...arenaDaemonOptions };
  const parsed = parseOptions(options, { argv, env, file: ownTables(options, file), positionalsMax: 0 });
  return { values: parsed.values, settings: settingsOf(parsed, file, env) };
}

function settingsOf({ values, sources }: Pick<Parsed, 'values' | 'sources'>, file: OptionsFile | undefined, env: Env) {
  const { judge, judgeModels } = values;
  if (judge !== 'verifiers' && judgeModels.length === 0) {
    throw new OptionsError(
      { source: sources['judge'] ?? 'labmesh.toml', key: 'arena.judge.models', exitCode: 3 },
      'a judge that is a model needs its name: models = ["…"]',
    );
  }
  return {
    runs: readRunSettings(values, sources),
    verify: readEveryVerifier(file),
    judge: { kind: judge, models: judgeModels },
    attest: readAttestSettings(values, sources),
    training: readTrainingSettings(values),
    tools: readToolSettings(values, file, env),
  };
}
