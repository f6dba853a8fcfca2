/** One tool server as runs see it: which of its tools may be called, and what a call gave. */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';
import type { HttpPool } from '@labmesh/kit/http/client';
import { schemaDocument } from '../../verify/parse/schema-document.ts';
import { McpClient } from './mcp-client.ts';
import { McpFault } from './mcp-fault.ts';
import type { McpTool } from './mcp-message.ts';
import { contentText } from './tool-content.ts';
import type { ToolServerSettings } from './tool-settings.ts';

/** How long a list is taken for granted, and how long a server that failed is left alone. */
const listedMs = 300_000;
const faultMs = 5_000;
const descriptionCharsMost = 1_024;
/** Of a schema of arguments, as canonical JSON. */
const schemaCharsMost = 16_384;

export type ServedTool = {
  name: string;
  /** The function that a model sees: what chat APIs take for a name. */
  offeredAs: string;
  description: string;
  /** JSON Schema of its arguments. */
  parameters: Record<string, unknown>;
  /** Why it is never called; null = it may be. */
  blocked: string | null;
};

export type ToolOutcome = { state: 'ok' | 'error' | 'bad_arguments' | 'unavailable'; text: string };

/** Glob with `*` alone. */
function matches(patterns: readonly string[], name: string): boolean {
  const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
  return patterns.some((one) => new RegExp(`^${one.split('*').map(escaped).join('.*')}$`).test(name));
}

/** 64 characters of A-Z, a-z, 0-9, _ and -: two names that would fall together keep apart by a digest. */
export function offeredName(server: string, tool: string): string {
  const plain = `${server}__${tool}`.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  if (plain.length <= 64 && plain === `${server}__${tool}`) return plain;
  return `${plain.slice(0, 55)}_${sha256Hex(new TextEncoder().encode(`${server}/${tool}`)).slice(0, 8)}`;
}

export class ToolServer implements AsyncDisposable {
  readonly settings: ToolServerSettings;
  readonly counts = { calls: 0, cached: 0, failed: 0 };
  readonly #client: McpClient;
  readonly #clock: Clock;
  #listed: { tools: readonly ServedTool[]; at: number } | undefined;
  #fault: { reason: string; at: number } | undefined;
  #listing: Promise<readonly ServedTool[]> | undefined;
  /** Wall clock; null = never. */
  checkedAt: number | null = null;

  constructor(settings: ToolServerSettings, parts: { pool: HttpPool; clock: Clock; timeoutMs: number }) {
    const { pool, clock, timeoutMs } = parts;
    const { origin, path, token } = settings;
    this.settings = settings;
    this.#clock = clock;
    this.#client = new McpClient({ place: { pool, origin, path }, token, timeoutMs });
  }

  /** The reason of its last failure; null while it answers. */
  get fault(): string | null {
    return this.#fault?.reason ?? null;
  }

  isOpenTo(tenant: string): boolean {
    return this.settings.tenants.some((one) => one === '*' || one === tenant);
  }

  /** Its tools as it listed them in the last five minutes; [] when it never did. Nobody is asked. */
  get known(): readonly ServedTool[] {
    return this.#listed?.tools ?? [];
  }

  /** All its tools, asked for when the last list is old. @throws McpFault */
  async tools(): Promise<readonly ServedTool[]> {
    const now = this.#clock.now();
    const listed = this.#listed !== undefined && now - this.#listed.at < listedMs ? this.#listed.tools : undefined;
    if (this.#fault === undefined && listed !== undefined) return listed;
    // One that failed is asked again, after a moment: it may be back, and may have other tools.
    if (this.#fault !== undefined && now - this.#fault.at < faultMs) {
      if (listed !== undefined) return listed;
      throw new McpFault('unreachable', this.#fault.reason);
    }
    this.#listing ??= this.#list().finally(() => (this.#listing = undefined));
    return await this.#listing;
  }

  async #list(): Promise<readonly ServedTool[]> {
    try {
      const found = await this.#client.list(new AbortController().signal);
      const tools = found.map((tool) => this.#served(tool));
      // Of two with one name the first: a call would not know which is meant.
      const unique = [...new Map(tools.toReversed().map((one) => [one.name, one])).values()].toReversed();
      this.#listed = { tools: unique, at: this.#clock.now() };
      this.#fault = undefined;
      return unique;
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.checkedAt = this.#clock.wall();
    }
  }

  #failed(error: unknown): McpFault {
    if (!(error instanceof McpFault)) throw error;
    // Its own words are for the model that called it: tenants are told of it without.
    const reason = error.code === 'rpc_error' ? 'the server answered with an error' : error.message;
    this.#fault = { reason, at: this.#clock.now() };
    return new McpFault(error.code, reason);
  }

  #masked(text: string): string {
    const { token } = this.settings;
    return token === undefined ? text : text.replaceAll(token, '[secret]');
  }

  #served({ name, description, inputSchema, annotations }: McpTool): ServedTool {
    const schema = usableSchema(inputSchema);
    return {
      name,
      offeredAs: offeredName(this.settings.name, name),
      description: this.#masked((description ?? '').slice(0, descriptionCharsMost).toWellFormed()),
      parameters: schema ?? {},
      blocked: schema === undefined ? 'the schema of its arguments cannot be used' : this.#blockOf(name, annotations),
    };
  }

  /** Tools with effects are for nobody whose answers are tried several times: only what reads is called unasked. */
  #blockOf(name: string, annotations: McpTool['annotations']): string | null {
    const { allow, block } = this.settings;
    if (matches(block, name)) return 'it is on the list of what is blocked';
    if (annotations?.readOnlyHint === true || matches(allow, name)) return null;
    return 'it may have effects: its server does not call it read-only, and it is not on the list of what is allowed';
  }

  /** Whether a name may be called by the settings of now: a plan may be older. */
  isBlocked(name: string): boolean {
    const { block } = this.settings;
    return matches(block, name) || (this.known.find((one) => one.name === name)?.blocked ?? null) !== null;
  }

  /** Never rejects for what the server does. @throws the signal's reason */
  async call(name: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ToolOutcome> {
    try {
      const result = await this.#client.call(name, args, signal);
      this.#fault = undefined;
      return { state: result.isError === true ? 'error' : 'ok', text: contentText(result, this.settings.token) };
    } catch (error) {
      if (!(error instanceof McpFault)) throw error;
      // What the server calls wrong with the call says nothing of the server.
      if (error.code === 'rpc_error') return { state: 'error', text: this.#masked(error.message) };
      return { state: 'unavailable', text: this.#failed(error).message };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}

/** An object's schema that the check of arguments takes; undefined for any other. */
function usableSchema(schema: Record<string, unknown>): Record<string, unknown> | undefined {
  try {
    schemaDocument(schema);
    return schema['type'] === 'object' && canonicalJson(schema).length <= schemaCharsMost ? schema : undefined;
  } catch {
    return undefined;
  }
}
