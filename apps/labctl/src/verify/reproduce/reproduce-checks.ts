/** The checks of a certificate once more, on this machine. */
import type { CandidateInput } from '@labmesh/arena/verify/make-candidate';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import type { World } from '../../command.ts';
import { checkAnswer } from '../check-answer.ts';
import { chosenVerifiers, verifierNames } from '../chosen-verifiers.ts';
import { fileSettings } from '../file-settings.ts';
import { withRunner } from '../with-runner.ts';

type ReproduceParts = {
  /** Of the verifiers in the certificate; those that are none here are left out. */
  names: readonly string[];
  suite: Suite | undefined;
  values: { config: string | undefined; data: string | undefined; socket: string | undefined };
  world: World;
};

/** Why some are not made: what they say may be another thing each time, or rests on what is not there. */
export type LeftOut = Readonly<Record<string, string>>;

/** @throws CommandError (exit 2) for settings; the signal's reason */
export async function reproduceChecks(
  candidate: CandidateInput,
  { names, suite, values, world }: ReproduceParts,
  suiteSha256: string | null,
): Promise<{ aggregate: Aggregate; leftOut: LeftOut }> {
  const settings = await fileSettings(values, world.env);
  const filter = settings.verifiers['safety_filter']?.config as { external_api_url?: unknown } | undefined;
  const leftOut: LeftOut = {
    ...(filter?.external_api_url !== undefined && { safety_filter: 'it asks a service, which may answer otherwise' }),
    ...(suiteSha256 !== null && suite === undefined && { runtime_verifier: 'its suite is needed: --suite' }),
  };
  const asked = names.filter((name) => verifierNames.includes(name) && !Object.hasOwn(leftOut, name));
  const { needSandbox } = chosenVerifiers(asked, settings);
  // An empty list would be all that are switched on.
  const wanted = needSandbox && asked.length > 0;
  const aggregate = await withRunner({ socket: values.socket, wanted, world }, (runner) =>
    checkAnswer(candidate, { names: asked, suite, settings, runner, world }),
  );
  return { aggregate: aggregate.aggregate, leftOut };
}
