/** A suite as it is uploaded (verification V20): parsed once, here, and of one digest whatever order its keys had. */
import { holdsProto } from '@labmesh/kit/parse-json';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { canonicalBytes, type Json } from '@labmesh/attest/json/canonical-json';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { type Suite, suiteLimits, suiteSchema } from '@labmesh/wire/verification/suite';
import { SuiteRefused } from './suite-refused.ts';
import { taggedFault } from './tagged-value.ts';

const invalid = (message: string, field?: string) => new SuiteRefused('SUITE_INVALID', message, field);

const entryPatterns = {
  python: /^[A-Za-z_]\w{0,99}$/,
  javascript: /^[A-Za-z_$][\w$]{0,99}$/,
  typescript: /^[A-Za-z_$][\w$]{0,99}$/,
  // The script itself is called; the name is for people.
  bash: /^[\w.-]{0,100}$/,
} as const;

/** What can stand on a command line, as the executor takes it. */
const isWord = (text: string) => text.length <= 60_000 && !text.includes('\0');

function refuseArgs(suite: Suite): void {
  for (const [index, { args, expect }] of suite.cases.entries()) {
    for (const [name, value] of Object.entries({ args, expect })) {
      const fault = taggedFault(value, `cases.${index}.${name}`);
      if (fault !== undefined) throw invalid(fault.why, fault.path);
    }
    if (suite.language !== 'bash') continue;
    const odd = args.some((arg) => typeof arg === 'object' || (typeof arg === 'string' && !isWord(arg)));
    if (odd) throw invalid('arguments of a script are words, numbers or booleans', `cases.${index}.args`);
  }
}

/** What a value is, checked: for a suite that was parsed as JSON elsewhere. @throws SuiteRefused SUITE_INVALID */
export function asSuite(value: unknown): Suite {
  // An empty result would hold for one that is not.
  if (holdsProto(value)) throw invalid('a member cannot be called __proto__');
  const parsed = suiteSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    // Its text may name keys of the upload, which may be part of a case: only the place and the kind are told.
    throw invalid(`is not valid (${issue?.code ?? 'unknown'})`, issue?.path.slice(0, 3).map(String).join('.'));
  }
  const suite = parsed.data;
  if (!entryPatterns[suite.language].test(suite.entry)) throw invalid('is no name of a function', 'entry');
  refuseArgs(suite);
  return suite;
}

/** @throws SuiteRefused SUITE_TOO_LARGE, SUITE_INVALID */
export function parseSuite(bytes: Uint8Array): Suite {
  let value: Json;
  try {
    value = parseJson(bytes, suiteLimits.textBytes);
  } catch (error) {
    if (!(error instanceof AttestRefused)) throw error;
    if (error.code === 'TOO_LARGE') {
      throw new SuiteRefused('SUITE_TOO_LARGE', `a suite has at most ${suiteLimits.textBytes} bytes`);
    }
    throw invalid('is not one JSON document: every key once, numbers a double can hold, at most 64 levels');
  }
  return asSuite(value);
}

/** Canonical text (RFC 8785) with every default written out. */
export const suiteBytes = (suite: Suite): Uint8Array => canonicalBytes(suite);

/** Hex SHA-256 over the canonical text: what certificates name. */
export const suiteDigest = (suite: Suite): string => sha256Hex(suiteBytes(suite));

export const hiddenCases = (suite: Suite): number => suite.cases.filter(({ visible }) => !visible).length;
