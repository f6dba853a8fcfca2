import { z } from 'zod';

/** The node refused or is not there; `message` says the way out. */
export class LabmandError extends Error {
  override readonly name = 'LabmandError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const usualWaitMs = 15_000;

/** One call to the running labmand. @throws LabmandError: 6 it does not run, 1 it refused */
export async function askLabmand<S extends z.ZodType>(
  socket: string,
  call: { path: string; method?: 'GET' | 'POST'; body?: unknown; output: S; waitMs?: number },
): Promise<z.output<S>> {
  const { path, method = 'GET', body, output, waitMs = usualWaitMs } = call;
  const response = await fetch(`http://labman${path}`, {
    unix: socket,
    method,
    signal: AbortSignal.timeout(waitMs),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    const why = (error as { code?: string }).code ?? 'no answer';
    throw new LabmandError(`labmand is not reached at ${socket} (${why}); does it run, and may you use its socket?`, 6);
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return output.parse(answer);
  const refused = errorSchema.safeParse(answer).data?.error;
  throw new LabmandError(
    refused === undefined ? `labmand answered ${response.status}` : `${refused.code}: ${refused.message}`,
    1,
  );
}
