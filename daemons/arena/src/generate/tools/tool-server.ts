/** One tool server as runs see it: which of its tools may be called, and what a call gave. */
import type { Clock } from '@labmesh/kit/clock';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { Logger } from '@labmesh/kit/log';
import { endedBy } from '../../verify/pipeline/ended-by.ts';
import { type Mask, secretMask } from './mask-secrets.ts';
import { McpClient } from './mcp-client.ts';
import { McpFault } from './mcp-fault.ts';
import { idlePatterns, type ServedTool, servedTool } from './served-tool.ts';
import { contentText, errorText } from './tool-content.ts';
import type { ToolServerSettings } from './tool-settings.ts';

/** How long a list is taken for granted, and how long a server that failed is left alone. */
const listedMs = 300_000;
const faultMs = 5_000;

export type ToolOutcome = { state: 'ok' | 'error' | 'bad_arguments' | 'unavailable'; text: string };
export type ToolServerParts = {
  pool: HttpPool;
  clock: Clock;
  log: Logger;
  /** Of each request, and of a whole list. */
  timeoutMs: number;
};

export class ToolServer implements AsyncDisposable {
  readonly settings: ToolServerSettings;
  readonly counts = { calls: 0, cached: 0, failed: 0 };
  readonly #parts: ToolServerParts;
  readonly #client: McpClient;
  readonly #mask: Mask;
  #listed: { tools: readonly ServedTool[]; at: number } | undefined;
  #fault: { reason: string; at: number } | undefined;
  #listing: Promise<readonly ServedTool[]> | undefined;
  /** The idle patterns that the log was told of last. */
  #toldIdle = '';
  /** Wall clock; null = never. */
  checkedAt: number | null = null;

  constructor(settings: ToolServerSettings, parts: ToolServerParts) {
    const { pool, timeoutMs } = parts;
    const { origin, path, token } = settings;
    this.settings = settings;
    this.#parts = parts;
    this.#mask = secretMask(settings);
    this.#client = new McpClient({ place: { pool, origin, path }, token, timeoutMs });
  }

  /** The reason of its last failure; null while it answers. */
  get fault(): string | null {
    return this.#fault?.reason ?? null;
  }

  isOpenTo(tenant: string): boolean {
    return this.settings.tenants.some((one) => one === '*' || one === tenant);
  }

  /** Its tools as it listed them last, however long ago; [] when it never did. To tell of, never to call by. */
  get known(): readonly ServedTool[] {
    return this.#listed?.tools ?? [];
  }

  /** All its tools, asked for when the last list is old. @throws McpFault; the signal's reason */
  async tools(signal: AbortSignal): Promise<readonly ServedTool[]> {
    const now = this.#parts.clock.now();
    const listed = this.#listed !== undefined && now - this.#listed.at < listedMs ? this.#listed.tools : undefined;
    if (this.#fault === undefined && listed !== undefined) return listed;
    // One that failed is asked again, after a moment: it may be back, and may have other tools.
    if (this.#fault !== undefined && now - this.#fault.at < faultMs) {
      if (listed !== undefined) return listed;
      throw new McpFault('unreachable', this.#fault.reason);
    }
    this.#listing ??= this.#list().finally(() => (this.#listing = undefined));
    return await endedBy(signal, this.#listing);
  }

  /** Of nobody's signal: all who want the list share it. Its pages have one deadline together. */
  async #list(): Promise<readonly ServedTool[]> {
    const { clock, timeoutMs } = this.#parts;
    const late = new AbortController();
    const fault = new McpFault('timeout', `the server did not list its tools within ${timeoutMs / 1000} s`);
    const timer = setTimeout(() => late.abort(fault), timeoutMs);
    try {
      const found = await this.#client.list(late.signal);
      const tools = found.flatMap((tool) => servedTool(this.settings, tool, this.#mask) ?? []);
      // Of two with one name the first: a call would not know which is meant.
      const unique = [...new Map(tools.toReversed().map((one) => [one.name, one])).values()].toReversed();
      this.#listed = { tools: unique, at: clock.now() };
      this.#fault = undefined;
      this.#tellIdle(unique);
      return unique;
    } catch (error) {
      throw this.#failed(error);
    } finally {
      clearTimeout(timer);
      this.checkedAt = clock.wall();
    }
  }

  /** Once for the same: whoever wrote the settings sees it before the first call. */
  #tellIdle(tools: readonly ServedTool[]): void {
    const { allow, block } = idlePatterns(
      this.settings,
      tools.map(({ name }) => name),
    );
    const told = JSON.stringify([allow, block]);
    if (told !== this.#toldIdle && allow.length + block.length > 0) {
      const server = this.settings.name;
      this.#parts.log.warn('patterns of a tool server match none of its tools', { server, allow, block });
    }
    this.#toldIdle = told;
  }

  #failed(error: unknown): McpFault {
    if (!(error instanceof McpFault)) throw error;
    // Its own words are for the model that called it: tenants are told of it without.
    const reason = error.code === 'rpc_error' ? 'the server answered with an error' : error.message;
    this.#fault = { reason, at: this.#parts.clock.now() };
    return new McpFault(error.code, reason);
  }

  /** Never rejects for what the server does. @throws the signal's reason */
  async call(name: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ToolOutcome> {
    try {
      await this.#client.open(signal);
    } catch (error) {
      return { state: 'unavailable', text: this.#failed(error).message };
    }
    try {
      const result = await this.#client.call(name, args, signal);
      return { state: result.isError === true ? 'error' : 'ok', text: contentText(result, this.#mask) };
    } catch (error) {
      if (!(error instanceof McpFault)) throw error;
      if (error.code === 'rpc_error') return { state: 'error', text: errorText(error.message, this.#mask) };
      // All else may be of these arguments: one tenant's call takes no server from another.
      if (error.code === 'unreachable') this.#failed(error);
      return { state: 'unavailable', text: error.message };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}
