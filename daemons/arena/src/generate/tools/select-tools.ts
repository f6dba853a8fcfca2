/** What `verification.tools` names, out of the tool servers that are open to a tenant. */
import { didYouMean } from '@labmesh/kit/nearest';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import type { ToolServer } from './tool-server.ts';

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

/** Each once, in the order of the selectors. @throws ToolsRefused; the signal's reason */
export async function selectTools(
  open: readonly ToolServer[],
  selectors: readonly string[],
  signal: AbortSignal,
): Promise<OfferedTool[]> {
  // All servers are asked at once, and the first selector that is at fault is told of whoever answers first.
  const named = await Promise.allSettled(selectors.map((selector) => toolsNamed(open, selector, signal)));
  const found = new Map<string, OfferedTool>();
  for (const one of named) {
    if (one.status === 'rejected') throw one.reason;
    for (const tool of one.value) found.set(tool.offeredAs, tool);
  }
  const offered = [...found.values()];
  if (offered.length > offeredMost) throw new ToolsRefused(`a request is offered at most ${offeredMost} tools`);
  if (JSON.stringify(offered).length > offeredCharsMost) {
    throw new ToolsRefused(`the descriptions of its tools are longer than ${offeredCharsMost} characters: name fewer`);
  }
  return offered;
}

async function toolsNamed(open: readonly ToolServer[], selector: string, signal: AbortSignal): Promise<OfferedTool[]> {
  const at = selector.indexOf('/');
  const [name, wanted] = [selector.slice(0, at), selector.slice(at + 1)];
  const server = open.find(({ settings }) => settings.name === name);
  if (server === undefined) {
    const hint = didYouMean(
      name,
      open.map(({ settings }) => settings.name),
    );
    throw new ToolsRefused(`there is no tool server ${name}${hint}`);
  }
  const tools = await server.tools(signal).catch(() => {
    signal.throwIfAborted();
    throw new ToolsRefused(`the tool server ${name} cannot be asked now`, true);
  });
  const chosen = tools.filter((one) => (wanted === '*' ? one.blocked === null : one.name === wanted));
  const [first] = chosen;
  if (first === undefined) {
    const hint = didYouMean(
      wanted,
      tools.map((one) => one.name),
    );
    throw new ToolsRefused(wanted === '*' ? `no tool of ${name} may be called` : `there is no tool ${selector}${hint}`);
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
