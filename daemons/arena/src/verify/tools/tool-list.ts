/** The tools that an answer may call, in the forms that requests and settings write them. */
import type { Candidate } from '../../contract/candidate.ts';

/** `parameters`: the JSON Schema of its arguments; undefined when the list gives only names. */
export type KnownTool = { name: string; parameters: unknown };

export const toolsMost = 1024;

type Loose = Readonly<Record<string, unknown>>;
const isLoose = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A name, OpenAI's {type, function: {name, parameters}}, or {name, parameters | input_schema}. */
function toolOf(raw: unknown): KnownTool | undefined {
  if (typeof raw === 'string') return { name: raw, parameters: undefined };
  const inner = isLoose(raw) && isLoose(raw.function) ? raw.function : raw;
  if (!isLoose(inner) || typeof inner.name !== 'string') return undefined;
  return { name: inner.name, parameters: inner.parameters ?? inner.input_schema };
}

/**
 * The first list there is: metadata.tools, the request's tools, the settings' available_tools. An empty list is a list:
 * no tool may be called. Undefined: nobody gave one. More than 1,024 are not read.
 */
export function knownTools(
  candidate: Candidate,
  available: readonly unknown[] | undefined,
): Map<string, KnownTool> | undefined {
  const named: unknown = candidate.metadata.tools;
  const list = Array.isArray(named) ? (named as unknown[]) : (candidate.tools ?? available);
  if (list === undefined) return undefined;
  const tools = list.slice(0, toolsMost).map(toolOf);
  return new Map(tools.filter((tool) => tool !== undefined).map((tool) => [tool.name, tool]));
}
