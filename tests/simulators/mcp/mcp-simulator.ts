/**
 * A tool server that speaks the Model Context Protocol over streamable HTTP: sessions, pages of tools, answers as JSON or as
 * events, and the faults that a client meets. What it is asked is kept, so that a test can count calls.
 */
export type SimTool = {
  name: string;
  description?: string;
  inputSchema?: Record<string, unknown>;
  annotations?: Record<string, unknown>;
  /** The result of tools/call, or a promise of it; a throw is a JSON-RPC error with its message. */
  call?: (args: Record<string, unknown>) => unknown;
  /** Told in place of the result once the tool has run, as bridges do that pass on what an API said. */
  status?: number;
};

export type McpSimulatorOptions = {
  tools?: readonly SimTool[];
  /** Asked of every request as a bearer token. */
  token?: string;
  /** How tools/call is answered. */
  answers?: 'json' | 'events';
  /** Status for a session that it does not know: 404 by the protocol, 400 with many. */
  goneStatus?: number;
  /** Tools of one page of the list. */
  page?: number;
  port?: number;
};

type Rpc = { id?: number | string; method?: string; params?: Record<string, unknown>; result?: unknown };

const text = (value: string) => ({ content: [{ type: 'text', text: value }] });
/** The notes are anybody's: a page of a wiki that says what it likes. */
export const usualTools: readonly SimTool[] = [
  {
    name: 'lookup',
    description: 'Looks up a word.',
    inputSchema: {
      type: 'object',
      properties: { word: { type: 'string', maxLength: 20 } },
      required: ['word'],
      additionalProperties: false,
    },
    annotations: { readOnlyHint: true },
    call: ({ word }) => text(`${String(word)} means 42`),
  },
  { name: 'erase', description: 'Erases everything.', call: () => text('erased') },
  {
    name: 'broken',
    annotations: { readOnlyHint: true },
    call: () => ({ ...text('no such page'), isError: true }),
  },
];

export class McpSimulator implements AsyncDisposable {
  readonly options: McpSimulatorOptions;
  /** Method and tool of every request, in order. */
  readonly heard: string[] = [];
  readonly #server: ReturnType<typeof Bun.serve>;
  readonly #sessions = new Set<string>();

  constructor(options: McpSimulatorOptions = {}) {
    this.options = options;
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: options.port ?? 0,
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** How often a tool was called. */
  called(tool: string): number {
    return this.heard.filter((one) => one === `tools/call ${tool}`).length;
  }

  /** As after a restart: every session is unknown. */
  forget(): void {
    this.#sessions.clear();
  }

  async #answer(request: Request): Promise<Response> {
    const { token } = this.options;
    if (new URL(request.url).pathname !== '/mcp') return new Response(null, { status: 404 });
    if (token !== undefined && request.headers.get('authorization') !== `Bearer ${token}`) {
      return new Response(null, { status: 401 });
    }
    const session = request.headers.get('mcp-session-id') ?? '';
    if (request.method === 'DELETE') {
      this.#sessions.delete(session);
      return new Response(null, { status: 204 });
    }
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const rpc = (await request.json()) as Rpc;
    if (rpc.method === 'initialize') return this.#initialize(rpc);
    if (!this.#sessions.has(session)) return new Response(null, { status: this.options.goneStatus ?? 404 });
    return await this.#inSession(rpc);
  }

  #initialize({ id, params }: Rpc): Response {
    this.heard.push('initialize');
    const session = crypto.randomUUID();
    this.#sessions.add(session);
    const result = {
      protocolVersion: params?.['protocolVersion'],
      capabilities: { tools: {} },
      serverInfo: { name: 'simulator', version: '1' },
    };
    return Response.json({ jsonrpc: '2.0', id, result }, { headers: { 'mcp-session-id': session } });
  }

  async #inSession({ id, method, params = {} }: Rpc): Promise<Response> {
    const name = method === 'tools/call' ? ` ${String(params['name'])}` : '';
    this.heard.push(`${method ?? 'response'}${name}`);
    if (id === undefined || method === undefined) return new Response(null, { status: 202 });
    if (method === 'tools/list') return Response.json({ jsonrpc: '2.0', id, result: this.#list(params['cursor']) });
    if (method === 'ping') return Response.json({ jsonrpc: '2.0', id, result: {} });
    const answer = { jsonrpc: '2.0', id, ...(await this.#call(params)) };
    const { status } = this.#tools.find((one) => one.name === params['name']) ?? {};
    if (status !== undefined) return new Response(null, { status });
    if (this.options.answers !== 'events') return Response.json(answer);
    // As servers do that work for a while: a word of progress, a question of their own, then the response.
    const before = [
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } },
      { jsonrpc: '2.0', id: 'ping-1', method: 'ping' },
    ];
    const events = [...before, answer].map((one) => `event: message\ndata: ${JSON.stringify(one)}\n\n`);
    // The stream stays open, which servers may.
    const body = new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode(events.join(''))) });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  get #tools(): readonly SimTool[] {
    return this.options.tools ?? usualTools;
  }

  #list(cursor: unknown) {
    const tools = this.#tools;
    const { page = tools.length } = this.options;
    const from = Number(cursor ?? 0);
    const shown = tools.slice(from, from + page).map(({ call: _, status: __, ...tool }) => ({
      inputSchema: { type: 'object' },
      ...tool,
    }));
    return { tools: shown, ...(from + page < tools.length && { nextCursor: String(from + page) }) };
  }

  async #call({ name, arguments: args }: Record<string, unknown>) {
    const tool = this.#tools.find((one) => one.name === name);
    if (tool?.call === undefined) return { error: { code: -32_602, message: 'unknown tool' } };
    try {
      return { result: await tool.call((args ?? {}) as Record<string, unknown>) };
    } catch (error) {
      return { error: { code: -32_603, message: error instanceof Error ? error.message : 'failed' } };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}
