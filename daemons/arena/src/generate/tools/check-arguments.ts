/**
 * Arguments of a call as a model wrote them, against what they have to be: a JSON object that meets the tool's schema, as
 * tool_validator reads them (V11). Schema and arguments are foreign: they meet in the sandbox.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { CandidateFault } from '../../verify/candidate-fault.ts';
import { readJson } from '../../verify/parse/json-text.ts';
import { meetSchema } from '../../verify/parse/meet-schema.ts';

/** Characters of one call's arguments. */
const argumentCharsMost = 32_768;
const problemsMost = 3;

/** `canonical`: their canonical JSON. */
export type Arguments = { args: Readonly<Record<string, unknown>>; canonical: Uint8Array } | { problem: string };

/** Of this process alone, and written nowhere. */
const digestKey = randomBytes(32);

/**
 * Hex HMAC-SHA-256 of the canonical JSON of a run's arguments: tells calls of one run apart that differ, and nobody what was
 * asked. A plain digest of so few words would be found by trying (P7).
 */
export const argumentsDigest = (runId: string, canonical: Uint8Array): string =>
  createHmac('sha256', digestKey).update(`${runId}\0`).update(canonical).digest('hex');

/** The object in a text; an empty text is none given, which engines write as nothing at all. */
export function readArguments(text: string): Arguments {
  if (text.length > argumentCharsMost)
    return { problem: `the arguments are longer than ${argumentCharsMost} characters` };
  try {
    const json = readJson(text.trim() === '' ? '{}' : text);
    if ('problem' in json) return { problem: `the arguments are no JSON: ${json.problem}` };
    const { value } = json;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { args: value as Record<string, unknown>, canonical: canonicalBytes(value) };
    }
    return { problem: 'the arguments are no JSON object' };
  } catch (error) {
    // Nested too deep, or a text that is no Unicode.
    if (error instanceof CandidateFault || error instanceof AttestRefused) return { problem: error.message };
    throw error;
  }
}

/** What every object meets needs no process to be met: tools without arguments say no more. */
const says = ({ properties, ...schema }: Readonly<Record<string, unknown>>) =>
  Object.keys(schema).some((name) => !['type', '$schema', 'title', 'description'].includes(name)) ||
  (typeof properties === 'object' && properties !== null && Object.keys(properties).length > 0);

export type ArgumentCheck = { state: 'met' } | { state: 'bad_arguments' | 'unavailable'; text: string };

/** @throws the signal's reason */
export async function checkArguments(
  schema: Readonly<Record<string, unknown>>,
  args: Readonly<Record<string, unknown>>,
  context: { runner: SandboxRunner; signal: AbortSignal },
): Promise<ArgumentCheck> {
  if (!says(schema)) return { state: 'met' };
  try {
    let meeting = await meetSchema(schema, [args], context);
    // As with verifiers, an error is tried once more: a busy machine may have taken too long.
    if (meeting.state === 'error') meeting = await meetSchema(schema, [args], context);
    if (meeting.state === 'error') return unchecked(meeting.code);
    const [result] = meeting.results;
    if (result?.valid === true) return { state: 'met' };
    const problems = (result?.problems ?? []).slice(0, problemsMost).map(({ at, error }) => `${at} ${error}`);
    return { state: 'bad_arguments', text: `the arguments do not meet the tool's schema: ${problems.join('; ')}` };
  } catch {
    context.signal.throwIfAborted();
    // The executor is away: unchecked arguments go nowhere.
    return unchecked('EXECUTOR_UNAVAILABLE');
  }
}

const unchecked = (code: string): ArgumentCheck => ({
  state: 'unavailable',
  text: `the arguments could not be checked (${code})`,
});
