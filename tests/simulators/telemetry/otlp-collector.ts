/**
 * A collector as OTLP/HTTP asks for it (POST /v1/logs, JSON): keeps what it took, counts what came again, and can be
 * away, refuse, or be slow. It checks what it is given as strictly as a real one.
 */
import { z } from 'zod';

const attributes = z.array(
  z.strictObject({ key: z.string().min(1), value: z.strictObject({ stringValue: z.string() }) }),
);
const nanos = z.string().regex(/^\d{16,20}$/);
const requestSchema = z.strictObject({
  resourceLogs: z
    .array(
      z.strictObject({
        resource: z.strictObject({ attributes }),
        scopeLogs: z.array(
          z.strictObject({
            scope: z.strictObject({ name: z.string(), version: z.string() }),
            logRecords: z.array(
              z.strictObject({
                timeUnixNano: nanos.optional(),
                observedTimeUnixNano: nanos,
                severityNumber: z.int().min(1).max(24).optional(),
                severityText: z.string().optional(),
                body: z.strictObject({ stringValue: z.string() }),
                attributes,
              }),
            ),
          }),
        ),
      }),
    )
    .min(1),
});

export type Taken = {
  uid: string;
  text: string;
  severity: number | undefined;
  attributes: Record<string, string>;
  resource: Record<string, string>;
};

const flat = (list: z.infer<typeof attributes>) =>
  Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue]));

export class OtlpCollectorSimulator implements AsyncDisposable {
  #server: Bun.Server<undefined> | undefined;
  readonly #port: number;
  /** The first of each id, in the order they came. */
  readonly taken = new Map<string, Taken>();
  /** Records that came under an id that was there. */
  repeats = 0;
  posts = 0;
  /** Headers of the last request. */
  headers = new Headers();
  /** Answers in place of taking a request; undefined takes it. */
  answer: ((body: string) => Response | Promise<Response> | undefined) | undefined;

  private constructor() {
    this.#port = this.#listen(0);
  }

  static start(): OtlpCollectorSimulator {
    return new OtlpCollectorSimulator();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }
  get texts(): string[] {
    return [...this.taken.values()].map(({ text }) => text);
  }

  #listen(port: number): number {
    this.#server = Bun.serve({ hostname: '127.0.0.1', port, fetch: (request) => this.#take(request) });
    return this.#server.port ?? port;
  }

  /** Nothing listens there. */
  async stop(): Promise<void> {
    await this.#server?.stop(true);
    this.#server = undefined;
  }
  /** At the same address again. */
  again(): void {
    this.#listen(this.#port);
  }

  async #take(request: Request): Promise<Response> {
    this.posts++;
    this.headers = request.headers;
    const body = await request.text();
    if (request.method !== 'POST' || new URL(request.url).pathname !== '/v1/logs')
      return new Response('', { status: 404 });
    const other = await this.answer?.(body);
    if (other !== undefined) return other;
    const parsed = requestSchema.safeParse(JSON.parse(body));
    if (!parsed.success) return Response.json({ code: 3, message: z.prettifyError(parsed.error) }, { status: 400 });
    for (const { resource, scopeLogs } of parsed.data.resourceLogs)
      for (const { logRecords } of scopeLogs)
        for (const record of logRecords) {
          const own = flat(record.attributes);
          const uid = own['log.record.uid'] ?? '';
          if (this.taken.has(uid)) this.repeats++;
          else
            this.taken.set(uid, {
              uid,
              text: record.body.stringValue,
              severity: record.severityNumber,
              attributes: own,
              resource: flat(resource.attributes),
            });
        }
    return Response.json({ partialSuccess: {} });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
