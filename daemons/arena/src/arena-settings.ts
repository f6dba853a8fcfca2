/** `[arena]`, `[verify]`, `[attest]` and `[training]` of labmesh.toml. */
import { arenaDaemonOptions, type ArenaDaemonOptions, arenaDaemonTables } from './arena-daemon-options.ts';
import { defineOptions, OptionsError, parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { SigningOptions } from './certify/signing-folder.ts';
import type { IssuerSettings } from './certify/statement-of-run.ts';
import type { JudgeSettings } from './judges/judge-of.ts';
import { readTrainingSettings, trainingOptions } from './pairs/flywheel/training-options.ts';
import { arenaRunOptions, readRunSettings } from './runs/arena-options.ts';
import { everyVerifier } from './verify/built-in-verifiers.ts';
import { readVerifySettings, type VerifySettings } from './verify/verify-settings.ts';

export type ArenaSettings = {
  runs: ReturnType<typeof readRunSettings>;
  verify: VerifySettings;
  judge: JudgeSettings;
  attest: IssuerSettings & Pick<SigningOptions, 'logOrigin' | 'checkpointMs'>;
  training: ReturnType<typeof readTrainingSettings>;
};

const otherOptions = defineOptions({
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
  logOrigin: { type: 'string', file: 'attest.log_origin', placeholder: 'NAME', help: 'name of the log that is made' },
  verifierId: {
    type: 'string',
    default: 'urn:labmesh:arena',
    file: 'attest.verifier_id',
    placeholder: 'URI',
    help: 'who verified, as certificates say it',
  },
  checkpointMs: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 60_000,
    file: 'attest.checkpoint_ms',
    help: 'time between a certificate and the checkpoint of the log that holds it',
  },
  validityHours: {
    type: 'number',
    default: 24,
    min: 0.01,
    max: 876_000,
    file: 'attest.validity_h',
    help: 'how long a certificate is valid, hours',
  },
});

/** Tables of labmesh.toml that are read here. */
const ownTables: readonly string[] = ['arena', 'attest', 'training'];
export const arenaTables: readonly string[] = [...ownTables, 'verify'];

const arenaOptions = { ...arenaRunOptions, ...otherOptions, ...trainingOptions };
type Parsed = ReturnType<typeof parseOptions<typeof arenaOptions>>;
type ArenaWords = { argv?: string[]; env: Readonly<Record<string, string | undefined>> };

/** Tables of others, and `verify`, which has a reader of its own. */
const othersTables = (file: OptionsFile | undefined, own: readonly string[]): string[] =>
  Object.keys(file?.data ?? {}).filter((table) => !own.includes(table));

/** @throws OptionsError (exit 3) with file, line and key; UnknownVerifier for a table of none */
export function readArenaSettings(file: OptionsFile | undefined, env: ArenaWords['env']): ArenaSettings {
  const known = othersTables(file, ownTables);
  return settingsOf(
    parseOptions(arenaOptions, { argv: [], env, file: file && { ...file, known }, positionalsMax: 0 }),
    file,
  );
}

/** The same for `lab-arena`, with what only the program reads. @throws as above; OptionsError (exit 2) for a flag */
export function readDaemonSettings(
  file: OptionsFile | undefined,
  { argv = [], env }: ArenaWords,
): { values: ArenaDaemonOptions; settings: ArenaSettings } {
  const known = othersTables(file, [...ownTables, ...arenaDaemonTables]);
  const parsed = parseOptions(
    { ...arenaOptions, ...arenaDaemonOptions },
    { argv, env, file: file && { ...file, known }, positionalsMax: 0 },
  );
  return { values: parsed.values, settings: settingsOf(parsed, file) };
}

function settingsOf({ values, sources }: Pick<Parsed, 'values' | 'sources'>, file: OptionsFile | undefined) {
  const { judge, judgeModels, logOrigin, verifierId, checkpointMs, validityHours } = values;
  if (judge !== 'verifiers' && judgeModels.length === 0) {
    throw new OptionsError(
      { source: sources['judge'] ?? 'labmesh.toml', key: 'arena.judge.models', exitCode: 3 },
      'a judge that is a model needs its name: models = ["…"]',
    );
  }
  if (!URL.canParse(verifierId)) {
    throw new OptionsError({
      source: sources['verifierId'] ?? 'labmesh.toml',
      key: 'attest.verifier_id',
      found: JSON.stringify(verifierId),
      expected: 'a URI such as https://example.org/arena',
      exitCode: 3,
    });
  }
  return {
    runs: readRunSettings(values, sources),
    verify: readVerifySettings(file, everyVerifier),
    judge: { kind: judge, models: judgeModels },
    attest: { verifierId, validityHours, logOrigin, checkpointMs },
    training: readTrainingSettings(values),
  };
}
