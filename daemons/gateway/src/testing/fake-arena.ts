/** An arena for tests: takes offers over a Unix socket or loopback, and says what a test wants it to say. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArenaEvent, type ArenaResult, type RunOffer, runOfferSchema } from '@labmesh/wire/verification/arena-run';
import type { VerificationReport } from '@labmesh/wire/verification/verification-block';

/** `query` with its question mark. */
export type FakeOffer = { offer: RunOffer; headers: Record<string, string>; query: string };
export type FakeCall = { method: string; path: string; headers: Record<string, string>; body: string };

/** Lines of a run: events, or text that goes out as it stands; a number waits that many milliseconds. */
export type Script = (offer: RunOffer, signal: AbortSignal) => AsyncIterable<Line> | Iterable<Line>;
export type Line = ArenaEvent | string | number | Promise<unknown>;

/** A report as the arena gives it, `valid` unless changed. */
export const sampleReport = (changes: Partial<VerificationReport> = {}): VerificationReport => ({
  status: 'valid',
  run_id: 'run-1',
  certificate_id: 'cert-1',
  summary: 'passed code_linter',
  properties: ['SYNTAX_OK'],
  isolation: 'SANDBOX_L1_NAMESPACE',
  failures: [],
  cached: false,
  ...changes,
});

export const sampleResult = (
  changes: Partial<ArenaResult> = {},
  report: Partial<VerificationReport> = {},
): ArenaResult => ({
  event: 'result',
  runId: 'run-1',
  answer: { role: 'assistant', content: 'the verified answer' },
  model: 'm',
  finishReason: 'stop',
  usage: { prompt_tokens: 25, completion_tokens: 50, total_tokens: 75 },
  report: sampleReport(report),
  shadowArena: null,
  ...changes,
});

export class FakeArena implements AsyncDisposable {
  readonly socketPath: string;
  readonly url: string;
  /** In the order in which they came. */
  readonly offers: FakeOffer[] = [];
  /** Calls of its other routes. */
  readonly calls: FakeCall[] = [];
  /** Runs whose gateway went away before their end. */
  aborted = 0;
  /** Another word says that something changed that answers rest on; undefined = it does not know the route. */
  epoch: string | undefined = 'epoch-1';
  /** How often it was asked for. */
  epochsAsked = 0;
  script: Script = () => [sampleResult()];
  answer: (call: FakeCall) => Response | Promise<Response> = (call) => Response.json({ path: call.path });
  readonly #folder = mkdtempSync(join(tmpdir(), 'labmesh-arena-'));
  readonly #servers: Array<ReturnType<typeof Bun.serve>>;

  constructor() {
    this.socketPath = join(this.#folder, 'arena.sock');
    const fetch = (request: Request) => this.#serve(request);
    const onLoopback = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch });
    this.url = `http://127.0.0.1:${onLoopback.port}`;
    this.#servers = [onLoopback, Bun.serve({ unix: this.socketPath, fetch })];
  }

  async #serve(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const body = await request.text();
    const headers = Object.fromEntries(request.headers);
    if (url.pathname === '/v1/epoch') {
      this.epochsAsked++;
      return this.epoch === undefined ? new Response(null, { status: 404 }) : Response.json({ epoch: this.epoch });
    }
    if (url.pathname !== '/v1/runs') {
      const call = { method: request.method, path: `${url.pathname}${url.search}`, headers, body };
      this.calls.push(call);
      return this.answer(call);
    }
    const offer = runOfferSchema.parse(JSON.parse(body));
    this.offers.push({ offer, headers, query: url.search });
    return new Response(this.#lines(offer, request.signal), { headers: { 'content-type': 'application/x-ndjson' } });
  }

  #lines(offer: RunOffer, signal: AbortSignal): ReadableStream {
    const ended = { value: false };
    signal.addEventListener('abort', () => {
      if (!ended.value) this.aborted++;
      ended.value = true;
    });
    const script = this.script;
    return new ReadableStream({
      async start(controller) {
        for await (const line of script(offer, signal)) {
          if (line instanceof Promise) await line;
          else if (typeof line === 'number') await Bun.sleep(line);
          else if (!signal.aborted)
            controller.enqueue(Buffer.from(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`));
        }
        ended.value = true;
        if (!signal.aborted) controller.close();
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.stop(true);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
