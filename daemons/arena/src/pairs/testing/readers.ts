/**
 * Exports read as those read them who did not write them: turns out of a text by their marks, rows as a table with one type
 * a column, OpenAI's files by what its documentation asks. Written apart from the exporter, so that it is not judged by its
 * own ideas; LLaMA-Factory's loader has a file of its own.
 */
import { z } from 'zod';

export type ReadTurn = { role: string; text: string };

/** A text of `<|role|>` lines; one without any is a single turn of nobody. */
export function readTurns(text: string): ReadTurn[] {
  const turns: ReadTurn[] = [];
  let lines: string[] = [];
  let role = '';
  const end = () => void turns.push({ role, text: lines.join('\n') });
  for (const [at, line] of text.split('\n').entries()) {
    const said = line.startsWith('<|') && line.endsWith('|>') ? line.slice(2, -2) : undefined;
    if (said === undefined || said === '' || said.includes('|')) {
      lines.push(line);
      continue;
    }
    if (at > 0) end();
    [role, lines] = [said, []];
  }
  end();
  return turns;
}

type Shape = { kind: string; fields?: Map<string, Shape>; item?: Shape };

function shapeOf(value: unknown): Shape {
  if (value === null) return { kind: 'null' };
  if (Array.isArray(value)) {
    const item = value.map(shapeOf).reduce((a, b) => merge(a, b, '[]'), { kind: 'null' });
    return { kind: 'list', item };
  }
  if (typeof value === 'object') {
    return { kind: 'struct', fields: new Map(Object.entries(value).map(([name, of]) => [name, shapeOf(of)])) };
  }
  return { kind: typeof value };
}

/** As Arrow infers a type from JSON: null goes with anything, nothing else with another kind. */
function merge(a: Shape, b: Shape, path: string): Shape {
  if (a.kind === 'null') return b;
  if (b.kind === 'null') return a;
  if (a.kind !== b.kind) throw new Error(`column ${path} is ${a.kind} and ${b.kind}`);
  if (a.item !== undefined && b.item !== undefined) return { kind: 'list', item: merge(a.item, b.item, `${path}[]`) };
  const fields = new Map(a.fields);
  for (const [name, of] of b.fields ?? []) {
    fields.set(name, merge(fields.get(name) ?? { kind: 'null' }, of, `${path}.${name}`));
  }
  return a.fields === undefined ? a : { kind: 'struct', fields };
}

/** Rows of a file as one table, as Hugging Face `datasets` loads it. @throws Error where it would stop */
export function loadTable(lines: readonly string[]): Record<string, unknown>[] {
  const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  let table: Shape = { kind: 'null' };
  const names = Object.keys(rows[0] ?? {}).join();
  for (const row of rows) {
    if (Object.keys(row).join() !== names) throw new Error(`columns ${names} and ${Object.keys(row).join()}`);
    table = merge(table, shapeOf(row), '');
  }
  return rows;
}

const toolCall = z.strictObject({
  id: z.string().optional(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});
const answer = z
  .strictObject({
    role: z.literal('assistant'),
    content: z.string(),
    name: z.string().optional(),
    tool_calls: z.array(toolCall).min(1).optional(),
  })
  .array()
  .length(1);
const said = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.string(),
  name: z.string().optional(),
  tool_calls: z.array(toolCall).min(1).optional(),
  tool_call_id: z.string().optional(),
});

/** A line of OpenAI's preference file. */
export const openaiLine = z.strictObject({
  input: z.strictObject({ messages: z.array(said).min(1), tools: z.array(z.unknown()).min(1).optional() }),
  preferred_output: answer,
  non_preferred_output: answer,
});
