/** The arena that has the issuer's log, asked over its socket in the issuer's folder: what it may do, the folder's owner may. */
import { join } from 'node:path';
import { type AttestCode, AttestRefused } from '@labmesh/attest/attest-refused';
import type { Revocation } from '@labmesh/attest/certificate/revocations';
import type { Revoked } from '@labmesh/attest/certificate/revoke-in-folder';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

const revokedSchema = z.object({ next: z.string().nullable(), isNextOwed: z.literal(true).optional() });
const refusedSchema = z.object({ code: z.string(), message: z.string() });
/** The log's next checkpoint is a second away, a minute at most as it can be set. */
const answerMs = 90_000;

async function post(socket: string, body: unknown): Promise<{ status: number; text: string } | undefined> {
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(answerMs);
    answer = await fetch('http://issuer/revocations', {
      unix: socket,
      method: 'POST',
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    const { code, name } = error as { code?: string; name?: string };
    if (name === 'TimeoutError') throw new CommandError('the arena does not answer', { exitCode: exitCodes.timeout });
    // Nobody listens: an arena of another version, or a folder that was copied.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'FailedToOpenSocket') return undefined;
    throw error;
  }
  return { status: answer.status, text: await answer.text() };
}

/**
 * Undefined when nobody listens there.
 * @throws AttestRefused as the arena refuses; CommandError (exit 5) for a certificate that it does not know, (exit 7) when
 * it does not answer
 */
export async function askIssuer(folder: string, one: Revocation): Promise<Revoked | undefined> {
  const answer = await post(join(folder, folderFiles.socket), one);
  if (answer === undefined) return undefined;
  const body = parseJson(answer.text);
  const revoked = revokedSchema.safeParse(body);
  if (answer.status === 200 && revoked.success) {
    const { next, isNextOwed } = revoked.data;
    return { next, ...(isNextOwed && { isNextOwed }) };
  }
  const refused = refusedSchema.safeParse(body);
  if (!refused.success) throw new CommandError('the answer of the arena is not understood');
  const { code, message } = refused.data;
  if (answer.status === 404) throw new CommandError(message, { code, exitCode: exitCodes.notFound });
  throw new AttestRefused(code as AttestCode, message);
}
