/** Preference data as the arena has it: pairs, their versions, and the flywheel that turns beside them. */
import type { SuiteShelf } from '../suites/suite-shelf.ts';
import { Flywheel, type FlywheelSettings } from './flywheel/flywheel.ts';
import { heldOutTexts, tellUnreadable } from './protected/held-out-texts.ts';
import { Pairs, type PairsParts } from './pairs.ts';
import { hiddenCaseTexts } from './protected/suite-texts.ts';

/** `[training]` of labmesh.toml. */
export type TrainingSettings = FlywheelSettings & {
  /** Tenants whose pairs may leave as training data; `*` = all. */
  tenants: readonly string[];
  /** Files of held-out prompts. */
  heldOut: readonly string[];
};

export type PreferencesParts = Omit<PairsParts, 'mayTrain' | 'protectedTexts' | 'keeps'> & {
  suites: SuiteShelf;
  settings: TrainingSettings;
  /** The tenant is in `arena.capture`. */
  keeps: (tenant: string) => boolean;
};
export type Preferences = AsyncDisposable & { readonly pairs: Pairs };

/** What a crash left unlogged is logged now, and the flywheel turns until it is disposed. The store outlives it. */
export async function openPreferences({ suites, settings, keeps, ...parts }: PreferencesParts): Promise<Preferences> {
  const mayTrain = (tenant: string) => settings.tenants.some((one) => one === '*' || one === tenant);
  const protectedTexts = async function* (tenant: string) {
    yield* hiddenCaseTexts(suites, tenant);
    yield* heldOutTexts(settings.heldOut);
  };
  await tellUnreadable(settings.heldOut, parts.logger);
  const pairs = new Pairs({ ...parts, keeps, mayTrain, protectedTexts });
  await pairs.settle();
  const flywheel = new Flywheel({ ...parts, batches: pairs.batches, settings, keeps, mayTrain }).start();
  return { pairs, [Symbol.asyncDispose]: () => flywheel[Symbol.asyncDispose]() };
}
