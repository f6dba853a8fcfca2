import type { Paint } from '../../terminal/paint.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { shellInDoubleQuotes, shellQuote } from '../../terminal/shell-quote.ts';
import { demoModelId, demoPrompt } from '../demo-model.ts';

export type FleetFacts = {
  api: string;
  /** Name of this machine; undefined when its agent did not join. */
  server: string | undefined;
  /** How many labd knows. */
  servers: number;
  /** Of config.yaml; undefined when nobody was logged in. */
  context: { name: string; isCurrent: boolean } | undefined;
};

export type ReadyFacts = {
  /** Undefined: there is no gateway. */
  api: string | undefined;
  /** `created`: made just now, shown this once. `text` is '' when the API is open. */
  key: { text: string; file: string; created: boolean };
  models: readonly {
    id: string;
    target?: string | undefined;
    endpoints: readonly string[];
    loaded?: boolean | undefined;
  }[];
  /** Where an endpoint lives, by its name. */
  places: ReadonlyMap<string, string>;
  /** Undefined: labd was left out. */
  fleet: FleetFacts | undefined;
  notes: readonly string[];
  /** Listens on every network. */
  wildcard: boolean;
  version: string;
  /** Ms from the start of the process. */
  startedInMs: number;
};

const anyPrompt = 'Say hello in five words.';
/** Names of models that do not chat. */
const noChat = /embed|rerank|whisper|\bbge\b|\btts\b/i;

/** The model a curl line is about: one that chats, best one in memory. */
function exampleModel(models: ReadyFacts['models']): ReadyFacts['models'][number] | undefined {
  const chatting = models.filter((model) => !noChat.test(model.id));
  return chatting.find((model) => model.loaded === true) ?? chatting[0] ?? models[0];
}

/** A line that works when pasted into a POSIX shell; undefined without a model. */
export function curlLine(facts: Pick<ReadyFacts, 'api' | 'key' | 'models'>): string | undefined {
  const model = exampleModel(facts.models);
  if (model === undefined || facts.api === undefined) return undefined;
  const { text, file, created } = facts.key;
  const secret = created ? text : `$(cat "${shellInDoubleQuotes(file)}")`;
  const authorization = text === '' && !created ? '' : ` -H "Authorization: Bearer ${secret}"`;
  const demo = [model.id, model.target].includes(demoModelId);
  const body = {
    model: model.id,
    messages: [{ role: 'user', content: demo ? demoPrompt : anyPrompt }],
    stream: true,
    // Trained with mistakes, for tests; at 0 it makes none.
    ...(demo && { temperature: 0 }),
  };
  const json = ` -H 'Content-Type: application/json' -d ${shellQuote(JSON.stringify(body))}`;
  return `curl -N ${shellQuote(`${facts.api}/chat/completions`)}${authorization}${json}`;
}

/** The key in full only when it was made just now: screens are scrolled back, shared and recorded. */
function keyLine({ text, file, created }: ReadyFacts['key'], { bold, dim }: Paint): string {
  if (created) return `${bold(text)}\n${' '.repeat(8)}${dim(`shown this once; also in ${file}`)}`;
  return text === '' ? 'see labctl keys list' : `in ${file}`;
}

/** A line a model: its id and where it lives. */
function modelLines(facts: ReadyFacts): string[] {
  const columns = Math.max(0, ...facts.models.map((model) => Bun.stringWidth(safeText(model.id))));
  return facts.models.map((model) => {
    const id = safeText(model.id);
    const where = model.endpoints.map((name) => `${safeText(name)} ${facts.places.get(name) ?? ''}`.trim()).join(', ');
    return `  ${id}${' '.repeat(columns - Bun.stringWidth(id))}  ${where}`;
  });
}

const noModels =
  'Models  none yet: start an LLM server on this machine, it is found by itself, or use labctl up --model FILE.gguf';

/** The API, what opens it, and what it serves. */
function servingLines(facts: ReadyFacts, paint: Paint, isOpen: boolean): string[] {
  if (facts.api === undefined) return [];
  const lines = [`API     ${paint.bold(facts.api)}`];
  lines.push(`Key     ${isOpen ? 'none is needed' : keyLine(facts.key, paint)}`);
  return [...lines, '', ...(facts.models.length > 0 ? ['Models', ...modelLines(facts)] : [noModels])];
}

/** A line that works when typed: where labd is, and a first command on this machine. */
function fleetLine({ api, server, servers, context }: FleetFacts, { bold }: Paint): string {
  const where = context?.isCurrent === false ? ` --context ${context.name}` : '';
  const first = server === undefined || context === undefined ? [] : [`labctl exec${where} ${server} -- uptime`];
  return ['Fleet   ' + bold(api), `${servers} ${servers === 1 ? 'server' : 'servers'}`, ...first].join(' · ');
}

/** What a person sees when everything runs. Ends with a newline. */
export function readyScreen(facts: ReadyFacts, paint: Paint, isOpen = false): string {
  const { dim, green, yellow } = paint;
  const seconds = (facts.startedInMs / 1000).toFixed(1);
  const lines = [`${green('labmesh is ready')} ${dim(`(${facts.version}, ${seconds} s)`)}`, ''];
  lines.push(...servingLines(facts, paint, isOpen));
  if (facts.fleet !== undefined) lines.push(...(facts.api === undefined ? [] : ['']), fleetLine(facts.fleet, paint));
  for (const note of facts.notes) lines.push('', `${yellow('note')}    ${safeText(note)}`);
  if (facts.wildcard) lines.push('', `${yellow('warning')} every network of this machine can reach this API`);
  const curl = curlLine(facts);
  if (curl !== undefined) lines.push('', 'Try it', `  ${curl}`);
  const others = facts.api === undefined ? 'labctl status works' : 'labctl status, labctl models and labctl chat work';
  lines.push('', dim(`Ctrl-C stops it. ${others} from another terminal.`));
  return `${lines.join('\n')}\n`;
}
