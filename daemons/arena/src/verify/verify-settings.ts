/**
 * `[verify]` of labmesh.toml: what holds for all verifiers, and a table for each:
 *
 *     [verify]
 *     error_retries = 1
 *     [verify.safety_filter]
 *     enabled = true
 *     hard = true
 *     [verify.safety_filter.config]
 *     blocklist = ["rm -rf /"]
 */
import { type Fields, configFault, isTomlTable, readFields } from '@labmesh/kit/options/read-fields';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { parseDuration } from '@labmesh/kit/options/units';
import { z } from 'zod';
import type { Verifier } from '../contract/verifier.ts';
import { softPenaltyDefault } from './aggregate.ts';
import { UnknownVerifier } from './unknown-verifier.ts';

export type VerifierSettings = {
  /** Runs when a request names none; default true. */
  enabled?: boolean | undefined;
  /** Default: what the verifier says of itself. */
  hard?: boolean | undefined;
  /** By the verifier's own schema; default: all its defaults. */
  config?: unknown;
};

export type VerifySettings = {
  /** More tries after an error. */
  errorRetries: number;
  /** What a soft fail multiplies the score by. */
  softPenalty: number;
  /** How long a verdict is known for the same answer; 0 = not at all. */
  cacheMs: number;
  verifiers: Readonly<Record<string, VerifierSettings>>;
};

export const verifyDefaults: VerifySettings = {
  errorRetries: 1,
  softPenalty: softPenaltyDefault,
  cacheMs: 600_000,
  verifiers: {},
};

const cacheMsMost = 24 * 3_600_000;
const commonFields = {
  error_retries: { schema: z.int().min(0).max(5), expected: 'an integer 0–5', example: 'error_retries = 1' },
  soft_penalty: { schema: z.number().min(0).max(1), expected: 'a number 0–1', example: 'soft_penalty = 0.5' },
  cache: {
    schema: z
      .string()
      .transform((text) => parseDuration(text) ?? -1)
      .pipe(z.number().min(0).max(cacheMsMost)),
    expected: 'a time up to 24h',
    example: 'cache = "10m"',
  },
} satisfies Fields;

const verifierFields = {
  enabled: { schema: z.boolean(), expected: 'true or false', example: 'enabled = true' },
  hard: { schema: z.boolean(), expected: 'true or false', example: 'hard = true' },
  config: { schema: z.record(z.string(), z.unknown()), expected: 'a table', example: 'config = {}' },
} satisfies Fields;

export type ConfigFault = { path: readonly PropertyKey[]; problem: string };

/** A verifier's configuration with its defaults, or what is wrong with it. */
export function parseConfig(verifier: Verifier, raw: unknown): { config: unknown } | { fault: ConfigFault } {
  const result = verifier.configSchema.safeParse(raw ?? {});
  if (result.success) return { config: result.data };
  const [issue] = result.error.issues;
  return { fault: { path: issue?.path ?? [], problem: issue?.message ?? 'is not valid' } };
}

function readVerifier(file: OptionsFile, verifier: Verifier, raw: unknown): VerifierSettings {
  const key = `verify.${verifier.name}`;
  const values = readFields(file, { key, raw }, verifierFields, (at, problem) => {
    throw configFault(file, at, { problem });
  });
  const parsed = parseConfig(verifier, values.config);
  if ('config' in parsed) return values;
  const at = [`${key}.config`, ...parsed.fault.path.map(String)].join('.');
  throw configFault(file, at, { problem: parsed.fault.problem });
}

/**
 * The settings of all verifiers from the file's `[verify]`.
 * @throws OptionsError (exit 3) with file, line and key: a verifier that is none, a value that does not fit
 */
export function readVerifySettings(file: OptionsFile | undefined, verifiers: readonly Verifier[]): VerifySettings {
  const raw = file?.data['verify'];
  if (file === undefined || raw === undefined) return verifyDefaults;
  const names = verifiers.map(({ name }) => name);
  const tables = isTomlTable(raw) ? Object.entries(raw).filter(([, value]) => isTomlTable(value)) : [];
  const elsewhere = tables.map(([name]) => name);
  const common = readFields(file, { key: 'verify', raw, elsewhere }, commonFields, (key, problem) => {
    throw configFault(file, key, { problem });
  });
  const read = tables.map(([name, table]) => {
    const verifier = verifiers.find((one) => one.name === name);
    if (verifier === undefined) {
      throw configFault(file, `verify.${name}`, { problem: new UnknownVerifier(name, names).message });
    }
    return [name, readVerifier(file, verifier, table)] as const;
  });
  return {
    errorRetries: common.error_retries ?? verifyDefaults.errorRetries,
    softPenalty: common.soft_penalty ?? verifyDefaults.softPenalty,
    cacheMs: common.cache ?? verifyDefaults.cacheMs,
    verifiers: Object.fromEntries(read),
  };
}
