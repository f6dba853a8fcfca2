/**
 * The tools of all tool servers (AR18): which of them a request is offered, calls of them, and how they do. Whatever a
 * server or an argument does, a call gives a text that the model hears: nothing of it ends a run.
 */
import { HttpPool } from '@labmesh/kit/http/client';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { ToolServerList } from '@labmesh/wire/verification/tools/tool-use';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { runnerFor, type Whose } from '../../verify/pipeline/whose-work.ts';
import { checkArguments } from './check-arguments.ts';
import { selectTools } from './select-tools.ts';
import { ToolCalls } from './tool-calls.ts';
import { type ToolOutcome, ToolServer, type ToolServerParts } from './tool-server.ts';
import type { ToolSettings } from './tool-settings.ts';

export type ToolBoxParts = { settings: ToolSettings; runner: SandboxRunner } & Pick<ToolServerParts, 'clock' | 'log'>;
export type ToolAsk = {
  whose: Whose;
  offered: OfferedTool;
  args: Readonly<Record<string, unknown>>;
  signal: AbortSignal;
};
export type ToolAnswer = { state: ToolOutcome['state'] | 'blocked'; text: string; cached: boolean };

export class ToolBox implements AsyncDisposable {
  readonly limits: Pick<ToolSettings, 'rounds' | 'calls'>;
  readonly #runner: SandboxRunner;
  readonly #pool = new HttpPool();
  readonly #servers: readonly ToolServer[];
  readonly #calls: ToolCalls;

  constructor({ settings, runner, clock, log }: ToolBoxParts) {
    const { timeoutMs, atOnce, cacheEntries: entriesMost, cacheMs: ttlMs } = settings;
    this.limits = settings;
    this.#runner = runner;
    const parts = { pool: this.#pool, clock, log, timeoutMs };
    this.#servers = settings.servers.map((one) => new ToolServer(one, parts));
    this.#calls = new ToolCalls({ atOnce, entriesMost, ttlMs }, clock);
  }

  /** What `verification.tools` names, for a tenant. @throws ToolsRefused; the signal's reason */
  select(tenant: string, selectors: readonly string[], signal: AbortSignal): Promise<OfferedTool[]> {
    return selectTools(this.#openTo(tenant), selectors, signal);
  }

  #openTo(tenant: string): ToolServer[] {
    return this.#servers.filter((server) => server.isOpenTo(tenant));
  }

  /** `server/tool` of a function that a model named without being offered it; undefined unless there is such a tool, blocked. */
  blocked(tenant: string, offeredAs: string): string | undefined {
    for (const { settings, known } of this.#openTo(tenant)) {
      const tool = known.find((one) => one.offeredAs === offeredAs && one.blocked !== null);
      if (tool !== undefined) return `${settings.name}/${tool.name}`;
    }
    return undefined;
  }

  /** Never rejects for what server and arguments do. @throws the signal's reason */
  async call({ whose, offered, args, signal }: ToolAsk): Promise<ToolAnswer> {
    const { server: name, tool, parameters } = offered;
    const server = this.#openTo(whose.tenant).find(({ settings }) => settings.name === name);
    if (server === undefined) return { state: 'unavailable', text: 'its server is gone', cached: false };
    const refused = await refusalOf(server, tool, signal);
    if (refused?.state === 'blocked') return refused;
    const { counts } = server;
    counts.calls += 1;
    if (refused !== undefined) {
      counts.failed += 1;
      return refused;
    }
    const runner = runnerFor(this.#runner, whose);
    const answer = await this.#calls.run({ whose, tool: `${name}/${tool}`, args, signal }, async (ended) => {
      const check = await checkArguments(parameters, args, { runner, signal: ended });
      return check.state === 'met' ? await server.call(tool, args, ended) : check;
    });
    if (answer.cached) counts.cached += 1;
    if (answer.state !== 'ok') counts.failed += 1;
    return answer;
  }

  /** The servers that are open to a tenant, each asked for its tools unless it was a moment ago: nothing of its calls. */
  async describe(tenant: string, signal: AbortSignal): Promise<ToolServerList> {
    return { servers: await Promise.all(this.#openTo(tenant).map((server) => viewOf(server, signal))) };
  }

  /** Counts of each server since the start. */
  get counts(): (ToolServer['counts'] & { server: string })[] {
    return this.#servers.map(({ settings, counts }) => ({ server: settings.name, ...counts }));
  }

  get stats(): ToolCalls['stats'] {
    return this.#calls.stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
    await this.#pool[Symbol.asyncDispose]();
  }
}

/**
 * Why a tool is not called, by the settings and the list of now: the run may be older than both, and its plan knows a tool
 * that was taken from `allow` since. Without a list nothing is known of it. @throws the signal's reason
 */
async function refusalOf(server: ToolServer, name: string, signal: AbortSignal): Promise<ToolAnswer | undefined> {
  const tools = await server.tools(signal).catch(() => undefined);
  signal.throwIfAborted();
  if (tools === undefined) return { state: 'unavailable', text: 'its server cannot be asked now', cached: false };
  const listed = tools.find((one) => one.name === name);
  if (listed?.blocked === null) return undefined;
  const text = listed === undefined ? 'its server has no such tool any more' : 'it is blocked';
  return { state: 'blocked', text, cached: false };
}

async function viewOf(server: ToolServer, signal: AbortSignal): Promise<ToolServerList['servers'][number]> {
  const tools = await server.tools(signal).catch(() => server.known);
  const { fault: reason, checkedAt, settings } = server;
  return {
    name: settings.name,
    status: reason === null ? 'online' : 'offline',
    reason,
    lastCheck: checkedAt === null ? null : new Date(checkedAt).toISOString(),
    tools: tools.map(({ name, offeredAs, description, blocked }) => ({ name, offeredAs, description, blocked })),
  };
}
