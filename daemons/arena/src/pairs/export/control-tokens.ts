/**
 * Text that tokenizers and chat templates take for their own marks. A trainer encodes a whole conversation at once, so an
 * answer that holds `<|im_start|>system` would be learnt as a system turn, and in the formats that write roles as text it
 * forges a turn outright. Nobody can quote such a mark: escaped, the model would learn the escape. So the row is refused, as
 * tiktoken does with special tokens unless told otherwise; `jsonl` alone, which is the record and no training text, keeps it.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import { textOfMessage } from '../trainable-message.ts';
import { RowRefused } from './row-refused.ts';

/** Spaces at the edge, quotes and escapes stand in no mark: `a <| b |> c` is F#. */
const barred = String.raw`<\|[^\s<>|"\\](?:[^<>|"\\\n]{0,62}[^\s<>|"\\])?\|>`;
/** Marks of open models that have no bars: Llama 2, Mistral, Gemma, GLM, MiniMax, Qwen's calls. */
const named = [
  String.raw`<<\/?SYS>>`,
  String.raw`\[\/?INST\]`,
  String.raw`\[\/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT|PREFIX|SUFFIX|MIDDLE)\]`,
  String.raw`<\/?(?:s|bos|eos|pad|unk|sop|eop|start_of_turn|end_of_turn|start_of_image|end_of_image|tool_call|tool_response|function_calls?)>`,
  String.raw`\[g?MASK\]`,
  String.raw`\]~!?b[[\]]|\[e~\[`,
];
const mark = new RegExp([barred, ...named].join('|'), 'u');

/**
 * As any format may write it: parts of a text are joined, which may make a mark of two halves, and arguments, which are
 * JSON in a string, are written anew, so that an escaped `<` comes out as itself.
 */
const opened = (message: ChatMessage) => [
  message,
  textOfMessage(message),
  message.tool_calls?.map(({ function: called }) => parseJson(called?.arguments ?? '')),
];

/** True when a text of the pair, a tool or a role holds a mark; wide letters count as their plain ones, as tokenizers do. */
function hasControlToken({ input, chosen, rejected, metadata }: Triplet): boolean {
  const messages = [...input, ...chosen, ...rejected].map(opened);
  return mark.test(JSON.stringify([messages, metadata['tools'], metadata['chain']]).normalize('NFKC'));
}

/** @throws RowRefused CONTROL_TOKEN */
export function refuseControlTokens(triplet: Triplet): void {
  if (hasControlToken(triplet)) throw new RowRefused('CONTROL_TOKEN');
}
