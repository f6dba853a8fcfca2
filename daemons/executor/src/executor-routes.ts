/** HTTP of the executor (verification SB3, SB4): POST /v1/run[?view=compat], GET /v1/levels, GET /v1/pool. */
import { parseJson } from '@labmesh/kit/parse-json';
import { compatResult } from '@labmesh/wire/verification/compat-result';
import { sandboxCeilings, type SandboxJob, sandboxJobSchema } from '@labmesh/wire/verification/sandbox';
import type { Executor } from './executor.ts';
import { refused, type RunAnswer } from './run-answer.ts';

const mib = 1024 * 1024;
export const bodyLimits = {
  /** One job: files and stdin in base64, code, words. */
  oneBytesMax: 64 * mib,
  /** All that wait or run. */
  allBytesMax: 256 * mib,
  /** For a body to come in; a run itself may take longer. */
  arriveS: 30,
} as const;

/** Answers a request. `patient` takes the clock off its connection: called once it is read, since a run may wait long. */
type Answering = (request: Request, patient: () => void) => Promise<Response>;

const answer = (status: number, body: unknown, retryAfterS?: number) =>
  Response.json(body, { status, headers: retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) } });
const problem = (status: number, code: string, message: string) => answer(status, { error: { code, message } });
const base64Bytes = (text: string) => Math.floor((text.length * 3) / 4);

/** The job, or what is wrong with it: the field, never what stood there. */
export function readJob(bytes: Uint8Array): SandboxJob | { fault: RunAnswer } {
  const parsed = sandboxJobSchema.safeParse(parseJson(new TextDecoder().decode(bytes)));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    // Names of variables are the job's own; all other names are of the contract.
    const path = issue?.path[0] === 'env' ? 'env' : (issue?.path.join('.') ?? '');
    const what = issue?.code === 'unrecognized_keys' ? 'has a key that is not known' : (issue?.message ?? 'is wrong');
    const message = `${path === '' ? 'the job' : path}: ${what}`;
    return { fault: refused({ code: 'JOB_INVALID', message }) };
  }
  const job = parsed.data;
  const sent = job.files.reduce((sum, { content }) => sum + base64Bytes(content), base64Bytes(job.stdin));
  if (sent <= sandboxCeilings.filesBytes) return job;
  const message = `files and stdin hold more than ${sandboxCeilings.filesBytes} bytes`;
  return { fault: refused({ limits: job.limits, code: 'JOB_TOO_LARGE', message }) };
}

/** The bytes of all bodies in memory have a bound of their own. */
export function executorRoutes(executor: Executor): Answering {
  let heldBytes = 0;

  const readAndRun = async (request: Request, length: number, patient: () => void): Promise<RunAnswer> => {
    const bytes = await request.bytes();
    if (bytes.length !== length) return refused({ code: 'JOB_INVALID', message: 'the body was cut off' });
    patient();
    const job = readJob(bytes);
    return 'fault' in job ? job.fault : executor.run(job, request.signal);
  };

  const run = async (request: Request, patient: () => void): Promise<RunAnswer> => {
    const text = request.headers.get('content-length') ?? '';
    if (!/^\d{1,12}$/.test(text)) return refused({ code: 'LENGTH_REQUIRED', message: 'send Content-Length' });
    const length = Number(text);
    if (length > bodyLimits.oneBytesMax) {
      return refused({ code: 'JOB_TOO_LARGE', message: `the body has more than ${bodyLimits.oneBytesMax} bytes` });
    }
    if (heldBytes + length > bodyLimits.allBytesMax) {
      return refused({ code: 'BODY_MEMORY_FULL', message: 'too many large jobs are in memory at once' });
    }
    heldBytes += length;
    try {
      return await readAndRun(request, length, patient);
    } finally {
      heldBytes -= length;
    }
  };

  return async (request, patient) => {
    const { pathname, searchParams } = new URL(request.url);
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /v1/levels') return answer(200, { levels: executor.levels() });
    if (route === 'GET /v1/pool') return answer(200, executor.pool.view);
    if (route !== 'POST /v1/run') return problem(404, 'UNKNOWN_ROUTE', 'POST /v1/run, GET /v1/levels, GET /v1/pool');
    const view = searchParams.get('view');
    if (view !== null && view !== 'compat') return problem(400, 'UNKNOWN_VIEW', 'view: is compat, or left out');
    const { status, result, retryAfterS } = await run(request, patient);
    return answer(status, view === 'compat' ? compatResult(result) : result, retryAfterS);
  };
}
