/**
 * A client of one MCP server: a session that is opened when it is first needed, opened again when the server forgot it, and
 * given back at the end. Only tools are spoken of: we offer the server nothing, so of its own requests `ping` alone is
 * answered, and the streams that it could open by itself are never asked for.
 *
 *     initialize ─▶ notifications/initialized ─▶ tools/list (pages) … tools/call …   DELETE
 *
 * No tool is called twice: a list is asked for again where the session may be gone, a call only where it was never heard.
 */
import { endedBy } from '../../verify/pipeline/ended-by.ts';
import { McpFault } from './mcp-fault.ts';
import { mcpExchange, type McpPlace, type McpReply } from './mcp-exchange.ts';
import {
  initializeSchema,
  type McpTool,
  type McpToolResult,
  mcpToolSchema,
  readResult,
  toolPageSchema,
  toolResultSchema,
} from './mcp-message.ts';

/** The newest first, which is what is asked for. */
const versions = ['2025-06-18', '2025-11-25', '2025-03-26', '2024-11-05'];
const pagesMost = 16;
export const toolsMost = 128;
/** Of the server's own, on the way to one answer. */
const requestsMost = 8;
const goodbyeMs = 1_000;
const methodUnknown = -32_601;

export type McpClientParts = {
  place: McpPlace;
  /** Sent as a bearer token; absent = none. */
  token: string | undefined;
  /** Of each request. */
  timeoutMs: number;
};

type Session = {
  readonly id: string | undefined;
  readonly version: string;
  readonly hasTools: boolean;
  /** Requests under way in it: it is given back when the last has ended, since others may be served in it still. */
  uses: number;
  /** Nothing more is asked in it. */
  isDropped: boolean;
};
type Asked = { method: string; params: Record<string, unknown>; signal: AbortSignal };

/** What may stand in a header; anything else would be no session that we could name. */
const sessionForm = /^[\x21-\x7e]{1,256}$/;

export class McpClient implements AsyncDisposable {
  readonly #parts: McpClientParts;
  readonly #ended = new AbortController();
  #session: Promise<Session> | undefined;
  #ids = 0;

  constructor(parts: McpClientParts) {
    this.#parts = parts;
  }

  /** A session, opened unless it is. @throws McpFault; the signal's reason */
  async open(signal: AbortSignal): Promise<void> {
    await endedBy(signal, this.#open());
  }

  /** All tools, in the server's order; those that are none are left out. @throws McpFault; the signal's reason */
  async list(signal: AbortSignal): Promise<McpTool[]> {
    if (!(await endedBy(signal, this.#open())).hasTools) return [];
    const tools: McpTool[] = [];
    let cursor: string | null | undefined;
    for (let pages = 0; pages < pagesMost; pages++) {
      const params = typeof cursor === 'string' ? { cursor } : {};
      const page = readResult(toolPageSchema, await this.#ask({ method: 'tools/list', params, signal }));
      tools.push(...page.tools.flatMap((one) => mcpToolSchema.safeParse(one).data ?? []));
      if (tools.length > toolsMost) throw new McpFault('too_large', `the server has more than ${toolsMost} tools`);
      cursor = page.nextCursor;
      if (typeof cursor !== 'string') return tools;
    }
    throw new McpFault('too_large', `the server's list of tools has more than ${pagesMost} pages`);
  }

  /** @throws McpFault: `rpc_error` for what the server calls wrong with the call; the signal's reason */
  async call(name: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<McpToolResult> {
    const result = await this.#ask({ method: 'tools/call', params: { name, arguments: args }, signal });
    return readResult(toolResultSchema, result);
  }

  async #ask(asked: Asked): Promise<unknown> {
    for (let again = false; ; again = true) {
      const session = await this.#enter(asked.signal);
      try {
        return resultOf(await this.#post(session, asked));
      } catch (error) {
        const { code } = error instanceof McpFault ? error : {};
        if (code !== 'session_gone' && code !== 'bad_request') throw error;
        const mayRepeat = !again && (await this.#wasUnheard(session, asked, code));
        this.#drop(session);
        if (!mayRepeat) throw error;
      } finally {
        this.#leave(session);
      }
    }
  }

  /**
   * Whether a request of which the server said 400 or 404 did nothing. Either may be the word of the tool itself, which a
   * bridge passes on as a status: of a call 400 proves nothing, and 404 only where the session is gone for a ping too. It was
   * not we who ended it meanwhile: it is in use.
   */
  async #wasUnheard(session: Session, { method, signal }: Asked, code: McpFault['code']): Promise<boolean> {
    // Without a session there is nothing that could be gone.
    if (session.id === undefined) return false;
    if (method !== 'tools/call') return true;
    if (code !== 'session_gone') return false;
    const ping = this.#post(session, { method: 'ping', params: {}, signal });
    return await ping.then(
      () => false,
      (error: unknown) => error instanceof McpFault && error.code === 'session_gone',
    );
  }

  /** The session of now, one use more. */
  async #enter(signal: AbortSignal): Promise<Session> {
    for (;;) {
      const session = await endedBy(signal, this.#open());
      // Another may have dropped it between its opening and this line.
      if (session.isDropped) continue;
      session.uses += 1;
      return session;
    }
  }

  /** The next request opens another. A session that is not dropped is the one of now. */
  #drop(session: Session): void {
    if (!session.isDropped) this.#session = undefined;
    session.isDropped = true;
  }

  #leave(session: Session): void {
    session.uses -= 1;
    if (session.isDropped && session.uses === 0) void this.#giveBack(session);
  }

  #open(): Promise<Session> {
    const opening = (this.#session ??= this.#initialize());
    opening.catch(() => {
      if (this.#session === opening) this.#session = undefined;
    });
    return opening;
  }

  /** Of nobody's signal: whoever asks next finds it open. */
  async #initialize(): Promise<Session> {
    const clientInfo = { name: 'labmesh-arena', version: '1' };
    const params = { protocolVersion: versions[0], capabilities: {}, clientInfo };
    const { signal } = this.#ended;
    const reply = await this.#post(undefined, { method: 'initialize', params, signal });
    const { protocolVersion: version, capabilities } = readResult(initializeSchema, resultOf(reply));
    if (!versions.includes(version))
      throw new McpFault('version', 'the server speaks no revision of MCP that is known');
    const { sessionId: id } = reply;
    if (id !== undefined && !sessionForm.test(id)) throw new McpFault('bad_answer', "the server's session has no name");
    const session = { id, version, hasTools: capabilities.tools !== undefined, uses: 0, isDropped: false };
    try {
      await this.#send(session, { method: 'notifications/initialized' }, null, signal);
    } catch (error) {
      void this.#giveBack(session);
      throw error;
    }
    return session;
  }

  async #post(session: Session | undefined, { method, params, signal }: Asked): Promise<McpReply> {
    const id = ++this.#ids;
    return await this.#send(session, { id, method, params }, id, AbortSignal.any([signal, this.#ended.signal]));
  }

  #send(session: Session | undefined, message: object, id: number | null, signal: AbortSignal): Promise<McpReply> {
    const { place, timeoutMs } = this.#parts;
    let requests = 0;
    return mcpExchange(place, {
      headers: this.#headers(session),
      body: { jsonrpc: '2.0', ...message },
      id,
      timeoutMs,
      signal,
      onRequest: (request) => {
        if (++requests <= requestsMost) this.#answer(session, request);
      },
    });
  }

  #answer(session: Session | undefined, { id, method }: { id: string | number; method: string }): void {
    const error = { code: methodUnknown, message: 'this client has no such method' };
    const answer = method === 'ping' ? { id, result: {} } : { id, error };
    // Whether it arrives shows in what the server answers next.
    this.#send(session, answer, null, this.#ended.signal).catch(() => {});
  }

  #headers(session: Session | undefined): [string, string][] {
    const { token } = this.#parts;
    return [
      ...(token === undefined ? [] : [['authorization', `Bearer ${token}`] as [string, string]]),
      ...(session === undefined ? [] : [['mcp-protocol-version', session.version] as [string, string]]),
      ...(session?.id === undefined ? [] : [['mcp-session-id', session.id] as [string, string]]),
    ];
  }

  /** Ends what is under way and gives the session back, as far as the server takes it within a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new McpFault('unreachable', 'the arena is shutting down'));
    const session = await this.#session?.catch(() => undefined);
    if (session !== undefined) await this.#giveBack(session);
  }

  /** Never rejects: a server that does not hear of it forgets the session by itself. */
  async #giveBack(session: Session): Promise<void> {
    if (session.id === undefined) return;
    const { place } = this.#parts;
    const post = { headers: this.#headers(session), body: {}, id: null, timeoutMs: goodbyeMs, onRequest: () => {} };
    await mcpExchange(place, { ...post, method: 'DELETE', signal: new AbortController().signal }).catch(() => {});
  }
}

/** @throws McpFault rpc_error with the server's words */
function resultOf({ message }: McpReply): unknown {
  if (message !== undefined && 'result' in message) return message.result;
  const said = message === undefined ? 'nothing' : message.error.message;
  throw new McpFault('rpc_error', said);
}
