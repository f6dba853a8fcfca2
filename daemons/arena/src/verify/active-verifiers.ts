import type { Verifier } from '../contract/verifier.ts';
import { type ActiveVerifier, verifierDigest } from './pipeline/finding-verdict.ts';
import { UnknownVerifier } from './unknown-verifier.ts';
import { parseConfig, type VerifySettings } from './verify-settings.ts';

/**
 * Verifiers with their settings applied, cheapest class first.
 * @throws UnknownVerifier for settings of none; Error for a name twice and for a configuration that does not fit
 */
export function activateVerifiers(verifiers: readonly Verifier[], settings: VerifySettings): ActiveVerifier[] {
  const names = verifiers.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two verifiers are called ${twice}`);
  for (const name of Object.keys(settings.verifiers)) {
    if (!names.includes(name)) throw new UnknownVerifier(name, names);
  }
  const active = verifiers.map((verifier): ActiveVerifier => {
    const {
      enabled = verifier.byDefault ?? true,
      hard = verifier.hard,
      config: raw,
    } = settings.verifiers[verifier.name] ?? {};
    const parsed = parseConfig(verifier, raw);
    if ('fault' in parsed) {
      const at = ['config', ...parsed.fault.path.map(String)].join('.');
      throw new Error(`verify.${verifier.name}.${at}: ${parsed.fault.problem}`);
    }
    const { config } = parsed;
    return { verifier, config, hard, enabled, digest: verifierDigest(verifier.name, verifier.version, config) };
  });
  return active.toSorted((a, b) => a.verifier.class - b.verifier.class);
}

/** Those that are named, or those that are switched on; and those that a bracket needs. @throws UnknownVerifier */
export function chooseVerifiers(
  active: readonly ActiveVerifier[],
  names: readonly string[] | undefined,
  needed: readonly string[] = [],
): readonly ActiveVerifier[] {
  const isNeeded = ({ verifier }: ActiveVerifier) => needed.includes(verifier.name);
  if (names === undefined) return active.filter((one) => one.enabled || isNeeded(one));
  const known = active.map(({ verifier }) => verifier.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UnknownVerifier(unknown, known);
  return active.filter((one) => names.includes(one.verifier.name) || isNeeded(one));
}
