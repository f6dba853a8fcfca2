/** The code with which something is refused; undefined when it is not. */
import { type AttestCode, AttestRefused } from '../attest-refused.ts';

export async function refusalOf(run: () => unknown): Promise<AttestCode | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof AttestRefused) return error.code;
    throw error;
  }
}
