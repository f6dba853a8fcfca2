/**
 * What LLaMA-Factory's loader makes of a row (0.9: its converters, then its check of pairs), written a second time from its
 * documentation and behaviour, so that the exporter is not judged by its own ideas. A row that it would drop gives a reason.
 */
type Row = Record<string, unknown>;
type Info = { formatting?: string; ranking?: boolean; columns: Record<string, string>; tags?: Record<string, string> };
type Message = { role: string; content: unknown };
export type Loaded = { prompt: Message[]; response: Message[]; system: unknown; tools: unknown } | { dropped: string };

/** A column that is named and not there is a KeyError. */
function column(row: Row, name: string | undefined): unknown {
  if (name === undefined) return '';
  if (!(name in row)) throw new Error(`KeyError ${name}`);
  return row[name];
}

function loadAlpaca(row: Row, { columns, ranking }: Info): Loaded {
  const question = [column(row, columns['prompt']), column(row, columns['query'])].filter((text) => text !== '');
  const [chosen, rejected] = [column(row, columns['chosen']), column(row, columns['rejected'])];
  if (ranking !== true) return { dropped: 'trained on without ranking' };
  if (typeof chosen !== 'string' || typeof rejected !== 'string') return { dropped: 'no pair' };
  return {
    prompt: [{ role: 'user', content: question.join('\n') }],
    response: [chosen, rejected].map((content) => ({ role: 'assistant', content })),
    system: column(row, columns['system']),
    tools: '',
  };
}

type Turn = Record<string, unknown>;
const isTurn = (value: unknown): value is Turn => typeof value === 'object' && value !== null && !Array.isArray(value);

function loadSharegpt(row: Row, { columns, ranking, tags = {} }: Info): Loaded {
  const [asking, answering] = [
    [tags['user_tag'] ?? 'human', tags['observation_tag'] ?? 'observation'],
    [tags['assistant_tag'] ?? 'gpt', tags['function_tag'] ?? 'function_call'],
  ];
  const [roleTag, contentTag] = [tags['role_tag'] ?? 'from', tags['content_tag'] ?? 'value'];
  const read = (turn: Turn): Message => ({ role: String(turn[roleTag]), content: turn[contentTag] });
  const turns = (column(row, columns['messages']) as Turn[]).map(read);
  if (turns.some(({ role }, at) => !(at % 2 === 0 ? asking : answering).includes(role))) return { dropped: 'role' };
  if (ranking !== true || turns.length % 2 === 0) return { dropped: 'count' };
  const [chosen, rejected] = [column(row, columns['chosen']), column(row, columns['rejected'])];
  if (!isTurn(chosen) || !isTurn(rejected)) return { dropped: 'no pair' };
  const response = [read(chosen), read(rejected)];
  if (response.some(({ role }) => !answering.includes(role))) return { dropped: 'answer' };
  return {
    prompt: turns,
    response,
    system: column(row, columns['system']),
    tools: column(row, columns['tools']),
  };
}

type Tool = { name: unknown; parameters: { properties: object; required?: unknown } };

/** What templates do with it afterwards. @throws where Python would */
function checkUse(loaded: Exclude<Loaded, { dropped: string }>): string | undefined {
  for (const { role, content } of [...loaded.prompt, ...loaded.response]) {
    if (typeof content !== 'string') return 'content is no text';
    if (role !== 'function_call') continue;
    const calls = [JSON.parse(content) as unknown].flat() as { name?: unknown; arguments?: unknown }[];
    if (calls.some((call) => typeof call.name !== 'string' || !isTurn(call.arguments))) return 'no calls';
  }
  if (typeof loaded.system !== 'string' || typeof loaded.tools !== 'string') return 'None in a column';
  if (loaded.tools === '') return undefined;
  for (const tool of JSON.parse(loaded.tools) as Tool[]) {
    const { properties, required = [] } = tool.parameters;
    if (typeof tool.name !== 'string' || !Array.isArray(required)) return 'tools';
    for (const one of Object.values(properties)) {
      if (!isTurn(one)) return 'tools';
      const { enum: choices = [], items = {} } = one;
      if (!Array.isArray(choices) || choices.some((choice) => typeof choice !== 'string') || !isTurn(items))
        return 'tools';
    }
  }
  return undefined;
}

/** @throws what would end its process */
export function loadRow(row: Row, info: Info): Loaded {
  const loaded = info.formatting === 'sharegpt' ? loadSharegpt(row, info) : loadAlpaca(row, info);
  if ('dropped' in loaded) return loaded;
  if (loaded.prompt.length % 2 !== 1 || loaded.response.length < 2) return { dropped: 'pair check' };
  const fault = checkUse(loaded);
  return fault === undefined ? loaded : { dropped: fault };
}
