/** tool_validator (V11): tool calls name tools that there are, with arguments that are an object. */
import { didYouMean } from '@labmesh/kit/nearest';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';
import type { Finding, VerifierContext } from '../../contract/verifier.ts';
import { type AnswerToolCall, answerToolCalls } from '../candidate-text.ts';
import { defineVerifier } from '../define-verifier.ts';
import { readJson } from '../parse/json-text.ts';
import { meetSchema } from '../parse/meet-schema.ts';
import { type KnownTool, knownTools, toolsMost } from './tool-list.ts';

const configSchema = z.strictObject({
  /** Used when neither metadata.tools nor the request has a list: names, or tools as a request writes them. */
  available_tools: z
    .array(z.union([z.string().min(1), z.record(z.string(), z.json())]))
    .max(toolsMost)
    .optional(),
  /** Arguments must also meet the schema of their tool. */
  strict_args: z.boolean().default(false),
  allow_unknown_tools: z.boolean().default(false),
});
type Config = z.infer<typeof configSchema>;

/** `tool`: undefined for an unknown one that is allowed. */
type Checked = { index: number; name: string; args: Readonly<Record<string, unknown>>; tool: KnownTool | undefined };
type Fault = { index: number; name: string; code: string; error: string };

/** Tools that an unknown name is compared with. */
const hintsMost = 64;
const nameCharsMost = 64;
const shownName = (name: string) => name.slice(0, nameCharsMost).toWellFormed();

function checkCall(
  { name, arguments: text }: AnswerToolCall,
  index: number,
  tools: ReadonlyMap<string, KnownTool>,
  config: Config,
): Checked | Fault {
  const fault = (code: string, error: string): Fault => ({ index, name: shownName(name), code, error });
  if (name === '') return fault('TOOL_NAME_MISSING', 'has no name');
  const tool = tools.get(name);
  if (tool === undefined && !config.allow_unknown_tools) {
    return fault('TOOL_UNKNOWN', `names an unknown tool${didYouMean(name, tools.keys().take(hintsMost))}`);
  }
  const json = readJson(text);
  if ('problem' in json) return fault('TOOL_ARGUMENTS_BAD', `has arguments that are no JSON: ${json.problem}`);
  const { value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fault('TOOL_ARGUMENTS_BAD', 'has arguments that are no JSON object');
  }
  return { index, name: shownName(name), args: value as Record<string, unknown>, tool };
}

function failed(faults: readonly Fault[], level: SandboxLevel | null): Finding {
  const [first] = faults;
  const message = first === undefined ? '' : `tool call ${first.index + 1} (${first.name || 'unnamed'}) ${first.error}`;
  return {
    status: 'failed',
    message,
    details: { calls: faults },
    level,
    ...(first !== undefined && { code: first.code }),
  };
}

/** One meeting for each tool that was called; its calls' arguments together. */
async function strictFaults(
  checked: readonly Checked[],
  context: VerifierContext<Config>,
): Promise<{ faults: Fault[]; level: SandboxLevel | null } | { error: Finding }> {
  const faults: Fault[] = [];
  let level: SandboxLevel | null = null;
  const byTool = Map.groupBy(checked, ({ tool }) => tool);
  for (const [tool, calls] of byTool) {
    if (tool?.parameters === undefined || tool.parameters === null) continue;
    const meeting = await meetSchema(
      tool.parameters,
      calls.map(({ args }) => args),
      context,
    );
    level = meeting.level;
    if (meeting.state === 'error') {
      const message = `arguments of ${shownName(tool.name)} could not be checked: ${meeting.message}`;
      return { error: { status: 'error', message, details: {}, code: meeting.code, level } };
    }
    calls.forEach(({ index, name }, place) => {
      const result = meeting.results[place];
      if (result === undefined || result.valid) return;
      const problem = result.problems[0];
      const error = `has arguments that do not meet the tool's schema${problem === undefined ? '' : `: ${problem.at} ${problem.error}`}`;
      faults.push({ index, name, code: 'TOOL_ARGUMENTS_MISMATCH', error });
    });
  }
  return { faults, level };
}

export const toolValidator = defineVerifier<Config>({
  name: 'tool_validator',
  version: '1.0.0',
  description:
    'tool calls name known tools, with arguments that are JSON objects (strict_args: that meet their schema)',
  class: 0,
  minLevel: null,
  hard: true,
  configSchema,
  verify: async (candidate, context) => {
    const { config } = context;
    const calls = answerToolCalls(candidate);
    if (calls.length === 0) return { status: 'skipped', message: 'the answer calls no tool', details: {} };
    const tools = knownTools(candidate, config.available_tools);
    if (tools === undefined) {
      const message = 'nobody said which tools there are: tools of the request, metadata.tools or available_tools';
      return { status: 'skipped', message, details: { calls: calls.length }, code: 'NO_TOOL_LIST' };
    }
    const seen = calls.map((call, index) => checkCall(call, index, tools, config));
    const faults = seen.filter((one) => 'error' in one);
    if (faults.length > 0) return failed(faults, null);
    const passed = (level: SandboxLevel | null): Finding => ({
      status: 'passed',
      message: `${calls.length} tool call${calls.length === 1 ? '' : 's'} as the tools want them`,
      details: { calls: calls.map(({ name }) => shownName(name)) },
      level,
      grants: ['TOOLS_OK'],
    });
    if (!config.strict_args) return passed(null);
    const strict = await strictFaults(
      seen.filter((one) => 'args' in one),
      context,
    );
    if ('error' in strict) return strict.error;
    return strict.faults.length > 0 ? failed(strict.faults, strict.level) : passed(strict.level);
  },
});
