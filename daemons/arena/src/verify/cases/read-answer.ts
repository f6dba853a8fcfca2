/**
 * What came out of a sandbox for one case, read as the hostile text it is. A case has a nonce of its own, sent with its
 * input: exactly one line that begins with it counts, so that prints, leftovers and a second answer are seen.
 */
import type { Json } from '@labmesh/attest/json/canonical-json';
import { z } from 'zod';
import { nestsDeeper, taggedFault } from '../../suites/tagged-value.ts';

export type CaseFault =
  /** The program ended, or was ended, before it gave a result. */
  | 'no_result'
  /** More on the way of results than one answer. */
  | 'forged'
  | 'load'
  | 'no_entry'
  | 'raised'
  | 'not_plain';

export type CaseAnswer = { value: Json } | { fault: CaseFault; text: string };

const answerSchema = z.union([
  z.strictObject({ value: z.unknown() }).refine((answer) => 'value' in answer),
  z.strictObject({
    fault: z.enum(['load', 'no_entry', 'raised', 'not_plain']),
    text: z.string().max(1_000),
  }),
]);

/** Levels of a value inside its envelope. */
const depthMost = 64;

const no = (fault: CaseFault): CaseAnswer => ({ fault, text: '' });

function textOf(stdout: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(stdout, 'base64'));
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  if (nestsDeeper(text, depthMost)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param stdout base64, as the executor gives it */
export function readAnswer(stdout: string, nonce: string): CaseAnswer {
  const text = textOf(stdout);
  if (text === '') return no('no_result');
  if (text === undefined || !text.startsWith(`${nonce} `) || !text.endsWith('\n')) return no('forged');
  const line = text.slice(nonce.length + 1, -1);
  const answer = line.includes('\n') ? undefined : answerSchema.safeParse(parsed(line)).data;
  if (answer === undefined) return no('forged');
  if ('fault' in answer) return answer;
  const value = answer.value as Json;
  return taggedFault(value, '') === undefined ? { value } : no('forged');
}

/** A script's stdout is its result: text without the line ends after it, or JSON where no text is expected. */
export function readOutput(stdout: string, expect: Json): CaseAnswer {
  const text = textOf(stdout)?.replace(/\n+$/, '');
  if (text === undefined) return no('not_plain');
  if (typeof expect === 'string') return { value: text };
  const value = parsed(text);
  if (value === undefined || taggedFault(value as Json, '') !== undefined) return no('not_plain');
  return { value: value as Json };
}
