/** The answer that a certificate is about, out of a file: its text, or the message as JSON where it called tools. */
import type { CandidateInput } from '@labmesh/arena/verify/make-candidate';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { type Bundle, parseBundle } from '@labmesh/attest/certificate/bundle';
import { checkContent } from '@labmesh/attest/certificate/check-content';
import type { Json } from '@labmesh/attest/json/canonical-json';
import { parseJson } from '@labmesh/kit/parse-json';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readNamed, refusedError } from '../attest-files.ts';

/** As text, since what was certified is text: no byte of it may be replaced on the way. @throws CommandError (exit 2) */
export async function readResponse(path: string | undefined): Promise<string> {
  const bytes = await readNamed(path, '--response');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CommandError('--response: not UTF-8', { exitCode: exitCodes.usage });
  }
}

/** @throws AttestRefused RESPONSE_DIFFERS, SALT_BAD */
function answerIn(bundle: Bundle, text: string): CandidateInput['answer'] {
  const value = /^\s*\{/.test(text) ? parseJson(text) : undefined;
  try {
    checkContent(bundle, text);
    return text;
  } catch (error) {
    const isOther = error instanceof AttestRefused && error.code === 'RESPONSE_DIFFERS';
    if (!isOther || typeof value !== 'object' || value === null) throw error;
    checkContent(bundle, value as Json);
    return value as Readonly<Record<string, unknown>>;
  }
}

/**
 * Neither signature nor log is looked at.
 * @throws CommandError: 2 for a file that cannot be read, 1 for one that is no certificate, or not of this answer
 */
export async function readCertifiedAnswer(
  path: string | undefined,
  response: string | undefined,
): Promise<{ bundle: Bundle; answer: CandidateInput['answer'] }> {
  const file = await readNamed(path, 'the certificate');
  const text = await readResponse(response);
  try {
    const bundle = parseBundle(file);
    return { bundle, answer: answerIn(bundle, text) };
  } catch (error) {
    throw refusedError(error, path ?? '');
  }
}
