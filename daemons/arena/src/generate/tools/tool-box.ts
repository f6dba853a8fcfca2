/**
 * The tools of all tool servers (AR18): which of them a request is offered, calls of them, and how they do. Whatever a
 * server or an argument does, a call gives a text that the model hears: nothing of it ends a run.
 */
import type { Clock } from '@labmesh/kit/clock';
import { HttpPool } from '@labmesh/kit/http/client';
import { didYouMean } from '@labmesh/kit/nearest';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { ToolServerList } from '@labmesh/wire/verification/tools/tool-use';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { runnerFor, type Whose } from '../../verify/pipeline/whose-work.ts';
import { checkArguments } from './check-arguments.ts';
import { ToolCalls } from './tool-calls.ts';
import { type ToolOutcome, ToolServer } from './tool-server.ts';
import type { ToolSettings } from './tool-settings.ts';

/** Of one request: more would leave a model no room, and its plan is a row. */
const offeredMost = 64;
const offeredCharsMost = 65_536;

/** Tools that a request names and cannot have; `message` may be shown. */
export class ToolsRefused extends Error {
  readonly isAway: boolean;

  /** @param isAway a server cannot be asked now, else the request is at fault */
  constructor(message: string, isAway = false) {
    super(message);
    this.name = 'ToolsRefused';
    this.isAway = isAway;
  }
}

export type ToolBoxParts = { settings: ToolSettings; runner: SandboxRunner; clock: Clock };
export type ToolAsk = {
  whose: Whose;
  offered: OfferedTool;
  args: Readonly<Record<string, unknown>>;
  signal: AbortSignal;
};
export type ToolAnswer = { state: ToolOutcome['state'] | 'blocked'; text: string; cached: boolean };

export class ToolBox implements AsyncDisposable {
  readonly limits: Pick<ToolSettings, 'rounds' | 'calls'>;
  readonly #settings: ToolSettings;
  readonly #runner: SandboxRunner;
  readonly #pool = new HttpPool();
  readonly #servers: readonly ToolServer[];
  readonly #calls: ToolCalls;

  constructor({ settings, runner, clock }: ToolBoxParts) {
    const { timeoutMs, atOnce, cacheEntries: entriesMost, cacheMs: ttlMs } = settings;
    this.limits = settings;
    this.#settings = settings;
    this.#runner = runner;
    this.#servers = settings.servers.map((one) => new ToolServer(one, { pool: this.#pool, clock, timeoutMs }));
    this.#calls = new ToolCalls({ atOnce, entriesMost, ttlMs }, clock);
  }

  /** What `verification.tools` names, for a tenant. @throws ToolsRefused */
  async select(tenant: string, selectors: readonly string[]): Promise<OfferedTool[]> {
    const found = new Map<string, OfferedTool>();
    for (const selector of selectors) {
      for (const one of await this.#named(tenant, selector)) found.set(one.offeredAs, one);
    }
    const offered = [...found.values()];
    if (offered.length > offeredMost) throw new ToolsRefused(`a request is offered at most ${offeredMost} tools`);
    if (JSON.stringify(offered).length > offeredCharsMost) {
      throw new ToolsRefused(
        `the descriptions of its tools are longer than ${offeredCharsMost} characters: name fewer`,
      );
    }
    return offered;
  }

  async #named(tenant: string, selector: string): Promise<OfferedTool[]> {
    const at = selector.indexOf('/');
    const [name, wanted] = [selector.slice(0, at), selector.slice(at + 1)];
    const open = this.#openTo(tenant);
    const server = open.find(({ settings }) => settings.name === name);
    if (server === undefined) {
      const hint = didYouMean(
        name,
        open.map(({ settings }) => settings.name),
      );
      throw new ToolsRefused(`there is no tool server ${name}${hint}`);
    }
    const tools = await server.tools().catch(() => {
      throw new ToolsRefused(`the tool server ${name} cannot be asked now`, true);
    });
    const chosen = tools.filter((one) => (wanted === '*' ? one.blocked === null : one.name === wanted));
    const [first] = chosen;
    if (first === undefined) {
      const hint = didYouMean(
        wanted,
        tools.map((one) => one.name),
      );
      throw new ToolsRefused(
        wanted === '*' ? `no tool of ${name} may be called` : `there is no tool ${selector}${hint}`,
      );
    }
    if (first.blocked !== null) throw new ToolsRefused(`${selector} is never called: ${first.blocked}`);
    return chosen.map(({ offeredAs, name: tool, description, parameters }) => ({
      offeredAs,
      server: name,
      tool,
      description,
      parameters,
    }));
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
    // The run may be older than the settings.
    if (server.isBlocked(tool)) return { state: 'blocked', text: 'it is blocked', cached: false };
    const { counts } = server;
    const runner = runnerFor(this.#runner, whose);
    counts.calls += 1;
    const answer = await this.#calls.run({ whose, tool: `${name}/${tool}`, args, signal }, async (ended) => {
      const check = await checkArguments(parameters, args, { runner, signal: ended });
      return check.state === 'met' ? await server.call(tool, args, ended) : check;
    });
    if (answer.cached) counts.cached += 1;
    if (answer.state !== 'ok') counts.failed += 1;
    return answer;
  }

  /** The servers that are open to a tenant, each asked for its tools unless it was a moment ago. */
  async describe(tenant: string): Promise<ToolServerList> {
    const { atOnce, cacheEntries, cacheMs } = this.#settings;
    const { entries, ...now } = this.#calls.stats;
    const servers = await Promise.all(this.#openTo(tenant).map(viewOf));
    return { servers, cache: { entries, entriesMost: cacheEntries, ttlMs: cacheMs }, ...now, runningMost: atOnce };
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

async function viewOf(server: ToolServer): Promise<ToolServerList['servers'][number]> {
  const tools = await server.tools().catch(() => server.known);
  const { fault: reason, checkedAt, counts, settings } = server;
  return {
    name: settings.name,
    status: reason === null ? 'online' : 'offline',
    reason,
    lastCheck: checkedAt === null ? null : new Date(checkedAt).toISOString(),
    tools: tools.map(({ name, offeredAs, description, blocked }) => ({ name, offeredAs, description, blocked })),
    ...counts,
    cacheHitRate: counts.calls === 0 ? null : counts.cached / counts.calls,
  };
}
