/**
 * A variation whose model may call tools before it answers (AR18): each turn with calls is written down before the next
 * paid call, so that a run that goes on elsewhere goes on after it.
 *
 *     ask ─▶ calls? ─▶ make them ─▶ turn and results into the row ─▶ ask again … ─▶ an answer without calls
 *
 * All of it is hostile: names and arguments are a model's, results may be anybody's. What is wrong with a call is told to
 * the model as its result.
 */
import type { ChatCompletionRequest, ChatMessage, ToolCall } from '@labmesh/wire/openai';
import { usualPriority } from '@labmesh/wire/verification/priority';
import type { ToolUse } from '@labmesh/wire/verification/tools/tool-use';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { argumentsDigest, readArguments } from '../../generate/tools/check-arguments.ts';
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import type { LiveRun } from '../live-run.ts';
import { type CallAsk, callModel, type CallResult } from './call-model.ts';

/** Characters of the results of one answer together; calls after that are not made. */
const resultCharsMost = 512 * 1024;
const idCharsMost = 256;

const messagesOf = ({ rollout }: StoredCandidate): readonly ChatMessage[] => rollout?.messages ?? [];
const offeredOf = ({ plan }: LiveRun): readonly OfferedTool[] => plan.tools ?? [];

function functionOf({ offeredAs: name, description, parameters }: OfferedTool) {
  return { type: 'function', function: { name, description, parameters } };
}

/**
 * The run's request with the tools of its plan and the turns of a candidate. `choice` `none`: it may call nothing more;
 * absent: as the client said for the first turn, and as it likes afterwards.
 */
export function withTurns(live: LiveRun, row: StoredCandidate, choice?: 'none'): ChatCompletionRequest {
  const { request } = live.offer;
  const offered = offeredOf(live);
  if (offered.length === 0) return request;
  const { tool_choice: first, ...rest } = request;
  const turns = messagesOf(row);
  const chosen = choice ?? (turns.length === 0 ? first : undefined);
  return {
    ...rest,
    messages: [...request.messages, ...turns],
    tools: offered.map(functionOf),
    ...(chosen !== undefined && { tool_choice: chosen }),
  };
}

type Called = { use: ToolUse; text: string };
type Turn = { live: LiveRun; signal: AbortSignal; round: number; made: number; chars: number };

/** One call, and what the model hears of it. @throws the signal's reason */
async function makeCall({ live, signal, round, made, chars }: Turn, call: ToolCall, place: number): Promise<Called> {
  const { parts, row, offer } = live;
  const name = call.function?.name ?? '';
  const began = parts.clock.now();
  const offered = offeredOf(live).find((one) => one.offeredAs === name);
  const read = readArguments(call.function?.arguments ?? '');
  const done = (state: ToolUse['state'], text: string, more: Partial<ToolUse> = {}): Called => ({
    use: {
      round,
      tool: offered === undefined ? null : `${offered.server}/${offered.tool}`,
      argsSha256: 'canonical' in read ? argumentsDigest(row.id, read.canonical) : null,
      state,
      cached: false,
      latencyMs: Math.round(parts.clock.now() - began),
      ...more,
    },
    text: state === 'ok' ? text : `error: ${text}`,
  });
  const { tools } = parts;
  if (offered === undefined) {
    const blocked = tools?.blocked(row.tenant, name);
    if (blocked === undefined) return done('unknown', 'there is no such tool');
    return done('blocked', 'this tool is blocked and is never called', { tool: blocked });
  }
  if (tools === undefined) return done('unavailable', 'this arena has no tool servers');
  if (made + place >= tools.limits.calls || chars >= resultCharsMost) {
    return done('over_limit', 'the limit of tool calls is reached: answer with what you have');
  }
  if ('problem' in read) return done('bad_arguments', read.problem);
  const whose = { tenant: row.tenant, priority: offer.block.priority ?? usualPriority };
  const { state, text, cached } = await tools.call({ whose, offered, args: read.args, signal });
  return done(state, text, { cached });
}

/** The turn as engines take it back: a call has an id, and arguments that are JSON. */
function turnOf(answer: ChatMessage, calls: readonly ToolCall[], round: number) {
  const plain = calls.map((call, place) => {
    const given = call.function?.arguments ?? '';
    return {
      id: call.id?.slice(0, idCharsMost) || `call_${round}_${place}`,
      type: 'function',
      function: {
        name: call.function?.name ?? '',
        arguments: 'problem' in readArguments(given) ? '{}' : given || '{}',
      },
    };
  });
  return { message: { role: 'assistant', content: answer.content ?? null, tool_calls: plain }, calls: plain };
}

/** The row with one more turn, or undefined when the run ended meanwhile. */
async function takeTurn(
  live: LiveRun,
  row: StoredCandidate,
  answer: ChatMessage,
  { round, signal }: { round: number; signal: AbortSignal },
): Promise<StoredCandidate | undefined> {
  const before = row.toolCalls ?? [];
  const turns = messagesOf(row);
  const results = turns.filter(({ role }) => role === 'tool');
  const chars = results.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
  const turn = { live, signal, round, made: before.length, chars };
  const asked = answer.tool_calls ?? [];
  const { message, calls } = turnOf(answer, asked, round);
  const began = live.parts.clock.now();
  let made: Called[];
  try {
    made = await Promise.all(asked.map((call, place) => makeCall(turn, call, place)));
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
  for (const { use } of made) live.tell({ event: 'tool', index: row.idx, ...use });
  const heard = made.map(({ text }, at) => ({ role: 'tool', tool_call_id: calls[at]?.id ?? '', content: text }));
  return {
    ...row,
    latencyMs: (row.latencyMs ?? 0) + Math.round(live.parts.clock.now() - began),
    toolCalls: [...before, ...made.map(({ use }) => use)],
    rollout: { messages: [...turns, message, ...heard] },
  };
}

/** What a model's turn cost, in its candidate's row. */
const booked = (row: StoredCandidate, result: CallResult): StoredCandidate => ({
  ...row,
  tokensIn: row.tokensIn + result.tokensIn,
  tokensOut: row.tokensOut + result.tokensOut,
  costNano: row.costNano + result.costNano,
  latencyMs: result.state === 'generated' ? (row.latencyMs ?? 0) + result.generation.latencyMs : row.latencyMs,
});

/**
 * The answer of a variation. `row` has its turns and all that they cost; the last call's cost is in it too. Never rejects
 * for what models, gateway and tools do. @throws as callModel; LeaseLost, store errors
 */
export async function rollOut(
  live: LiveRun,
  candidate: StoredCandidate,
  ask: Pick<CallAsk, 'signal' | 'sharers' | 'onProgress'>,
): Promise<{ row: StoredCandidate; result: CallResult }> {
  const { sampling } = candidate;
  const rounds = live.parts.tools?.limits.rounds ?? 0;
  let row = candidate;
  let { sharers } = ask;
  for (;;) {
    const round = messagesOf(row).filter(({ role }) => role === 'assistant').length;
    const isLast = round >= rounds;
    const request = withTurns(live, row, isLast ? 'none' : undefined);
    const result = await callModel(live, { ...ask, sharers, request, sampling });
    row = booked(row, result);
    if (result.state !== 'generated') return { row, result };
    const { answer } = result.generation;
    if (offeredOf(live).length === 0 || (answer.tool_calls ?? []).length === 0) return { row, result };
    const { tokensIn, tokensOut, costNano } = result;
    const cost = { tokensIn, tokensOut, costNano, savedTokens: 0 };
    // The client cannot answer calls of our tools: such an answer is none.
    if (isLast) return { row, result: { state: 'failed', reason: 'tool_rounds_exceeded', ...cost } };
    const next = await takeTurn(live, row, answer, { round, signal: ask.signal });
    // The next ask says why it ended.
    if (next === undefined) continue;
    row = next;
    await live.put(row);
    sharers = 1;
  }
}
